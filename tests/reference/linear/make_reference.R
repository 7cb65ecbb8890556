# Reference figures for the linear kernels. Run in this folder: Rscript make_reference.R
# Reads trial.csv; writes expected.csv, aliased.csv (17 significant digits) and versions.txt.
suppressPackageStartupMessages({
  library(estimatr)
  library(clubSandwich)
  library(survey)
})
options(survey.lonely.psu = "fail", warn = 1)

d <- read.csv("trial.csv", stringsAsFactors = FALSE)
d$x2 <- factor(d$x2)
d$b <- factor(d$stratum)
d$arm <- factor(d$arm)
d$unit <- seq_len(nrow(d))
d$low <- d$level - 1e6

out <- list()
keep <- function(case, estimate, se, df, p = NULL) {
  if (is.null(p)) p <- 2 * pt(-abs(estimate / se), df)
  half <- qt(0.975, df) * se
  out[[length(out) + 1]] <<- data.frame(
    case = case, estimate = estimate, std_error = se, df = df, p_value = p,
    conf_low = estimate - half, conf_high = estimate + half
  )
}
keep_robust <- function(case, m, term = "z") {
  keep(case, m$coefficients[[term]], m$std.error[[term]], m$df[[term]], m$p.value[[term]])
  last <- out[[length(out)]]
  stopifnot(
    isTRUE(all.equal(last$conf_low, m$conf.low[[term]])),
    isTRUE(all.equal(last$conf_high, m$conf.high[[term]]))
  )
}

# --- estimatr: 24 cases for each of two outcomes -------------------------------------------------------
estimatr_case <- function(outcome, weighted, clustered, adjust, strata) {
  args <- list(data = d)
  if (weighted) args$weights <- quote(w)
  if (clustered) {
    args$clusters <- quote(cluster)
    args$se_type <- "CR2"
  } else {
    args$se_type <- "HC2"
  }
  f <- function(text) as.formula(paste(outcome, text))
  if (adjust == "none" && !strata) {
    do.call(lm_robust, c(list(f("~ z")), args))
  } else if (adjust == "none") {
    do.call(lm_lin, c(list(f("~ z"), covariates = ~b), args))
  } else if (adjust == "ancova" && !strata) {
    do.call(lm_robust, c(list(f("~ z + x1 + x2")), args))
  } else if (adjust == "ancova") {
    do.call(lm_robust, c(list(f("~ z + x1 + x2 + b")), args))
  } else if (!strata) {
    do.call(lm_lin, c(list(f("~ z"), covariates = ~ x1 + x2), args))
  } else {
    do.call(lm_lin, c(list(f("~ z"), covariates = ~ x1 + x2 + b), args))
  }
}
for (outcome in c("y", "y2")) for (weighted in c(FALSE, TRUE)) for (clustered in c(FALSE, TRUE)) {
  for (adjust in c("none", "ancova", "lin")) for (strata in c(FALSE, TRUE)) {
    case <- paste("robust", outcome, if (weighted) "w" else "u", if (clustered) "cr2" else "hc2", adjust,
      if (strata) "strata" else "plain", sep = "/")
    keep_robust(case, estimatr_case(outcome, weighted, clustered, adjust, strata))
  }
}

# --- other HC variants, ANCOVA --------------------------------------------------------------------------
for (kind in c("HC0", "HC1", "HC3")) {
  keep_robust(paste0("hc/u/", kind), lm_robust(y ~ z + x1 + x2, data = d, se_type = kind))
  keep_robust(paste0("hc/w/", kind), lm_robust(y ~ z + x1 + x2, data = d, weights = w, se_type = kind))
}

# --- three arms -----------------------------------------------------------------------------------------
three <- lm_robust(y ~ arm + x1, data = d, weights = w, clusters = cluster, se_type = "CR2")
keep_robust("arms/w/cr2/B", three, "armB")
keep_robust("arms/w/cr2/C", three, "armC")
three <- lm_robust(y ~ arm + x1, data = d, se_type = "HC2")
keep_robust("arms/u/hc2/B", three, "armB")
keep_robust("arms/u/hc2/C", three, "armC")
d$relevelled <- relevel(d$arm, "B")
keep_robust("arms/w/cr2/C-B", lm_robust(y ~ relevelled + x1, data = d, weights = w, clusters = cluster,
  se_type = "CR2"), "relevelledC")

# --- assigned by cluster --------------------------------------------------------------------------------
for (strata in c(FALSE, TRUE)) {
  rhs <- if (strata) "zc + x1 + b" else "zc"
  tag <- if (strata) "ancova" else "none"
  f <- as.formula(paste("y ~", rhs))
  keep_robust(paste0("assigned/u/", tag), lm_robust(f, data = d, clusters = cluster, se_type = "CR2"), "zc")
  keep_robust(paste0("assigned/w/", tag),
    lm_robust(f, data = d, weights = w, clusters = cluster, se_type = "CR2"), "zc")
}

# --- absorbed: a dummy for every cluster makes each B_g singular --------------------------------------------
keep_robust("absorbed/u/strata", lm_robust(y ~ z + x1 + b, data = d, clusters = b, se_type = "CR2"))
keep_robust("absorbed/w/strata", lm_robust(y ~ z + x1 + b, data = d, weights = w, clusters = b, se_type = "CR2"))
keep_robust("absorbed/u/clusters",
  lm_robust(y ~ z + x1 + factor(cluster), data = d, clusters = cluster, se_type = "CR2"))
keep_robust("absorbed/w/clusters",
  lm_robust(y ~ z + x1 + factor(cluster), data = d, weights = w, clusters = cluster, se_type = "CR2"))

# --- a column with mean a million and standard deviation one: the slope, figured on the centred column ------
million <- lm_robust(y ~ z + low, data = d, se_type = "HC2")
keep_robust("million/u/hc2/z", million)
keep_robust("million/u/hc2/slope", million, "low")
million <- lm_robust(y ~ z + low, data = d, weights = w, clusters = cluster, se_type = "CR2")
keep_robust("million/w/cr2/z", million)
keep_robust("million/w/cr2/slope", million, "low")

# --- the same clustered variance by another package -------------------------------------------------------
seen <- d[!is.na(d$y), ]
for (tag in c("none", "ancova")) {
  m <- lm(if (tag == "none") y ~ z else y ~ z + x1 + x2 + b, data = seen)
  test <- coef_test(m, vcov = "CR2", cluster = seen$cluster, test = "Satterthwaite")
  keep(paste0("clubsandwich/u/", tag), test["z", "beta"], test["z", "SE"], test["z", "df_Satt"], test["z", "p_Satt"])
}
for (tag in c("none", "ancova")) {
  m <- lm(if (tag == "none") y ~ z else y ~ z + x1 + x2 + b, data = seen, weights = w)
  v <- vcovCR(m, cluster = seen$cluster, type = "CR2", target = rep(1, nrow(seen)), inverse_var = FALSE)
  test <- coef_test(m, vcov = v, test = "Satterthwaite")
  keep(paste0("clubsandwich/w/", tag), test["z", "beta"], test["z", "SE"], test["z", "df_Satt"], test["z", "p_Satt"])
}

# --- linearised -----------------------------------------------------------------------------------------
lin_columns <- function(data, weights, terms) {
  x <- model.matrix(terms, data)[, -1, drop = FALSE]
  x <- sweep(x, 2, colSums(x * weights) / sum(weights), "-")
  colnames(x) <- paste0("c", seq_len(ncol(x)))
  x
}
svy_case <- function(case, outcome, domain, adjust, weighted, clustered, strata) {
  e <- d
  e$ww <- if (weighted) e$w else 1
  analysed <- domain & !is.na(e[[outcome]])
  rhs <- if (adjust == "none") "z" else "z + x1 + x2"
  if (adjust == "lin") {
    x <- lin_columns(e[analysed, ], e$ww[analysed], ~ x1 + x2)
    for (name in colnames(x)) {
      e[[name]] <- 0
      e[[name]][analysed] <- x[, name]
    }
    rhs <- paste0("z * (", paste(colnames(x), collapse = " + "), ")")
  }
  design <- svydesign(
    ids = if (clustered) ~local_cluster else ~1, strata = if (strata) ~stratum else NULL,
    weights = ~ww, data = e, nest = TRUE
  )
  if (clustered && !strata) design <- svydesign(ids = ~cluster, weights = ~ww, data = e)
  m <- svyglm(as.formula(paste(outcome, "~", rhs)), design = subset(design, domain))
  s <- coef(summary(m))
  keep(case, s["z", 1], s["z", 2], m$df.residual, s["z", 4])
}
everyone <- rep(TRUE, nrow(d))
for (weighted in c(FALSE, TRUE)) for (clustered in c(FALSE, TRUE)) for (strata in c(FALSE, TRUE)) {
  for (adjust in c("none", "ancova", "lin")) {
    case <- paste("linearised", if (weighted) "w" else "u", if (clustered) "psu" else "person", adjust,
      if (strata) "strata" else "plain", sep = "/")
    svy_case(case, "y", everyone, adjust, weighted, clustered, strata)
  }
}
svy_case("domain/group", "y", d$group <= 1, "none", TRUE, TRUE, TRUE)
svy_case("domain/two_strata", "y2", d$stratum %in% c("s1", "s3"), "ancova", TRUE, TRUE, TRUE)
svy_case("domain/few_units", "y", d$cluster %% 3 != 0, "lin", TRUE, TRUE, TRUE)
svy_case("domain/no_clusters", "y2", d$group == 2, "ancova", TRUE, FALSE, TRUE)
svy_case("domain/no_strata", "y", d$cluster < 9, "none", TRUE, TRUE, FALSE)
# one sampling unit of the domain in stratum s4, four in the design
svy_case("domain/single_unit", "y", d$stratum != "s4" | d$local_cluster == 1, "none", TRUE, TRUE, TRUE)

table <- do.call(rbind, out)
text <- table
for (name in names(text)[-1]) text[[name]] <- sprintf("%.17g", table[[name]])
write.csv(text, "expected.csv", row.names = FALSE, quote = FALSE)

# --- which columns lm drops -------------------------------------------------------------------------------
seen <- d[!is.na(d$y), ]
one <- rep(1, nrow(seen))
dropped <- function(case, x, weights = NULL) {
  m <- if (is.null(weights)) lm.fit(x, seen$y) else lm.wfit(x, seen$y, weights)
  data.frame(case = case, column = seq_len(ncol(x)) - 1, estimate = sprintf("%.17g", unname(m$coefficients)))
}
full <- model.matrix(~ b - 1, seen)
inside <- model.matrix(~ factor(cluster) - 1, seen)[, -1]
near <- function(share) seen$x1 + share * sqrt(sum(seen$x1^2) / nrow(seen)) * (2 * seen$z - 1)
aliased <- rbind(
  dropped("twice", cbind(one, seen$z, seen$x1, seen$z, seen$w)),
  dropped("sum", cbind(one, seen$z, seen$x1, seen$x1 + 2 * seen$z, seen$w), seen$w),
  dropped("constant_last", cbind(full, seen$z, one)),
  dropped("constant_last_alone", cbind(seen$z, seen$x1, one)),
  dropped("dummies_after", cbind(one, seen$z, full)),
  dropped("nested", cbind(one, inside, full, seen$z), seen$w),
  dropped("zero", cbind(one, 0, seen$z)),
  dropped("million_constant", cbind(seen$level, one, seen$z)),
  dropped("million_narrow", cbind(one, 1e6 + seen$low / 32, seen$z)),
  dropped("near_kept", cbind(one, seen$x1, near(1e-5))),
  dropped("near_dropped", cbind(one, seen$x1, near(1e-9)))
)
write.csv(aliased, "aliased.csv", row.names = FALSE, quote = FALSE)

packages <- c("estimatr", "clubSandwich", "survey")
writeLines(c(R.version.string, paste(packages, sapply(packages, function(p) as.character(packageVersion(p))))),
  "versions.txt")
