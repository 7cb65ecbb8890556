# Reference figures for the estimators on people. Run in this folder: Rscript make_reference.R
# Reads ../linear/trial.csv; writes expected.csv and effect_sizes.csv (17 significant digits) and versions.txt.
suppressPackageStartupMessages({
  library(estimatr)
  library(survey)
  library(effectsize)
})
options(survey.lonely.psu = "fail", warn = 1)

d <- read.csv("../linear/trial.csv", stringsAsFactors = FALSE)
d$x2 <- factor(d$x2)
d$b <- factor(d$stratum)
d$arm <- factor(d$arm)

out <- list()
keep <- function(case, estimate, se, df, p = NULL) {
  if (is.null(p)) p <- 2 * pt(-abs(estimate / se), df)
  half <- qt(0.975, df) * se
  out[[length(out) + 1]] <<- data.frame(
    case = case, estimate = estimate, std_error = se, df = df, p_value = p,
    conf_low = estimate - half, conf_high = estimate + half
  )
}
keep_robust <- function(case, m, term) {
  keep(case, m$coefficients[[term]], m$std.error[[term]], m$df[[term]], m$p.value[[term]])
  row <- out[[length(out)]]
  stopifnot(all.equal(row$conf_low, m$conf.low[[term]]), all.equal(row$conf_high, m$conf.high[[term]]))
}
# estimatr and survey evaluate `weights` and `clusters` in the data: build the call
robust <- function(f, data, weighted, clustered, covariates = NULL) {
  args <- list(f, data = data, se_type = if (clustered) "CR2" else "HC2")
  if (!is.null(covariates)) args$covariates <- covariates
  if (weighted) args$weights <- quote(w)
  if (clustered) args$clusters <- quote(cluster)
  do.call(if (is.null(covariates)) lm_robust else lm_lin, args)
}
tag <- function(...) paste(..., sep = "/")
uw <- function(weighted) if (weighted) "w" else "u"
hc <- function(clustered) if (clustered) "cr2" else "hc2"

# --- the mean of the control arm -----------------------------------------------------------------------
for (outcome in c("y", "y2")) for (weighted in c(FALSE, TRUE)) for (clustered in c(FALSE, TRUE)) {
  m <- robust(as.formula(paste(outcome, "~ 1")), d[d$z == 0, ], weighted, clustered)
  keep_robust(tag("control", outcome, uw(weighted), hc(clustered)), m, "(Intercept)")
}

# --- three arms: A is control, B and C are treated ----------------------------------------------------------
for (weighted in c(FALSE, TRUE)) for (clustered in c(FALSE, TRUE)) {
  fits <- list(
    "none/plain" = robust(y ~ arm, d, weighted, clustered),
    "none/strata" = robust(y ~ arm, d, weighted, clustered, ~b),
    "ancova/plain" = robust(y ~ arm + x1 + x2, d, weighted, clustered),
    "ancova/strata" = robust(y ~ arm + x1 + x2 + b, d, weighted, clustered),
    "lin/plain" = robust(y ~ arm, d, weighted, clustered, ~ x1 + x2),
    "lin/strata" = robust(y ~ arm, d, weighted, clustered, ~ x1 + x2 + b)
  )
  for (name in names(fits)) for (arm in c("B", "C")) {
    keep_robust(tag("three", uw(weighted), hc(clustered), name, arm), fits[[name]], paste0("arm", arm))
  }
}

# --- Welch --------------------------------------------------------------------------------------------
for (outcome in c("y", "y2")) {
  f <- as.formula(paste(outcome, "~ z"))
  t <- t.test(d[[outcome]][d$z == 1], d[[outcome]][d$z == 0])
  keep(tag("welch", "t.test", outcome), t$estimate[[1]] - t$estimate[[2]], t$stderr, t$parameter[[1]], t$p.value)
  stopifnot(all.equal(out[[length(out)]]$conf_low, t$conf.int[1]))
  m <- difference_in_means(f, data = d)
  keep(tag("welch", "difference_in_means", outcome), m$coefficients[[1]], m$std.error[[1]], m$df[[1]], m$p.value[[1]])
  stopifnot(all.equal(out[[length(out)]]$conf_low, m$conf.low[[1]]))
}

# --- Bell and McCaffrey's degrees of freedom: CR2 with everybody a cluster of one -----------------------------------
d$person <- seq_len(nrow(d))
for (weighted in c(FALSE, TRUE)) for (strata in c(FALSE, TRUE)) {
  alone <- function(f, covariates = NULL) {
    args <- list(f, data = d, clusters = quote(person), se_type = "CR2")
    if (!is.null(covariates)) args$covariates <- covariates
    if (weighted) args$weights <- quote(w)
    do.call(if (is.null(covariates)) lm_robust else lm_lin, args)
  }
  at <- if (strata) "strata" else "plain"
  keep_robust(tag("alone", uw(weighted), "none", at), if (strata) alone(y ~ z, ~b) else alone(y ~ z), "z")
  keep_robust(tag("alone", uw(weighted), "ancova", at), alone(if (strata) y ~ z + x1 + x2 + b else y ~ z + x1 + x2), "z")
  keep_robust(tag("alone", uw(weighted), "lin", at), alone(y ~ z, if (strata) ~ x1 + x2 + b else ~ x1 + x2), "z")
}

# --- linearised, the strata of the design also in the regression ----------------------------------------------
# A domain is a subset of the design, so that sampling units without an analysed person still count.
centred <- function(data, weights, terms) {
  x <- model.matrix(terms, data)[, -1, drop = FALSE]
  x <- sweep(x, 2, colSums(x * weights) / sum(weights), "-")
  colnames(x) <- paste0("c", seq_len(ncol(x)))
  x[, apply(x, 2, function(column) any(abs(column) > 1e-12)), drop = FALSE]
}
svy_case <- function(case, outcome, domain, adjust, weighted, clustered) {
  e <- d
  e$ww <- if (weighted) e$w else 1
  analysed <- domain & !is.na(e[[outcome]])
  if (adjust == "ancova") {
    rhs <- "z + x1 + x2 + b"
    e$b <- factor(e$stratum, levels = sort(unique(e$stratum[analysed])))
    e$b[is.na(e$b)] <- levels(e$b)[1] # outside the domain; svyglm asks for complete columns
  } else {
    x <- centred(e[analysed, ], e$ww[analysed], if (adjust == "none") ~b else ~ x1 + x2 + b)
    for (name in colnames(x)) {
      e[[name]] <- 0
      e[[name]][analysed] <- x[, name]
    }
    rhs <- paste0("z * (", paste(colnames(x), collapse = " + "), ")")
  }
  ids <- if (clustered) ~cluster else ~1
  design <- svydesign(ids = ids, strata = ~stratum, weights = ~ww, data = e)
  m <- svyglm(as.formula(paste(outcome, "~", rhs)), design = subset(design, domain))
  s <- coef(summary(m))
  keep(case, s["z", 1], s["z", 2], m$df.residual, s["z", 4])
}
everyone <- rep(TRUE, nrow(d))
for (outcome in c("y", "y2")) for (weighted in c(FALSE, TRUE)) for (clustered in c(FALSE, TRUE)) {
  for (adjust in c("none", "ancova", "lin")) {
    case <- tag("svyglm", outcome, uw(weighted), if (clustered) "psu" else "person", adjust)
    svy_case(case, outcome, everyone, adjust, weighted, clustered)
  }
}
for (adjust in c("none", "ancova", "lin")) {
  svy_case(tag("domain/group", adjust), "y", d$group <= 1, adjust, TRUE, TRUE)
  svy_case(tag("domain/two_strata", adjust), "y2", d$stratum %in% c("s1", "s3"), adjust, TRUE, TRUE)
  svy_case(tag("domain/few_units", adjust), "y", d$cluster %% 3 != 0, adjust, TRUE, TRUE)
  svy_case(tag("domain/no_clusters", adjust), "y2", d$group <= 2, adjust, TRUE, FALSE)
}

# --- complete cases per population: HC2 and CR2 in a domain that lacks a level of x2 and a stratum ---------------
part <- subset(d, x2 != "low" & stratum != "s4")
part$x2 <- droplevels(part$x2)
part$b <- droplevels(part$b)
for (weighted in c(FALSE, TRUE)) for (clustered in c(FALSE, TRUE)) {
  keep_robust(tag("absent", uw(weighted), hc(clustered), "ancova"),
    robust(y ~ z + x1 + x2 + b, part, weighted, clustered), "z")
  keep_robust(tag("absent", uw(weighted), hc(clustered), "lin"),
    robust(y ~ z, part, weighted, clustered, ~ x1 + x2 + b), "z")
}

write_digits <- function(table, file, text) {
  for (name in setdiff(names(table), text)) table[[name]] <- sprintf("%.17g", table[[name]])
  write.csv(table, file, row.names = FALSE, quote = FALSE)
}
write_digits(do.call(rbind, out), "expected.csv", "case")

# --- standardised mean differences --------------------------------------------------------------------------
sizes <- list()
for (outcome in c("y", "y2")) {
  seen <- d[!is.na(d[[outcome]]), ]
  f <- as.formula(paste(outcome, "~ treated"))
  seen$treated <- factor(ifelse(seen$z == 1, "treated", "control"), levels = c("treated", "control"))
  n0 <- sum(seen$z == 0)
  # glass_delta divides by the standard deviation of the second group and makes no small-sample correction (0.8.3)
  g <- hedges_g(f, data = seen)
  cohen <- cohens_d(f, data = seen)
  delta <- glass_delta(f, data = seen)
  sizes[[length(sizes) + 1]] <- data.frame(
    case = tag(c("hedges_g", "cohens_d", "glass_delta"), outcome),
    estimate = c(g$Hedges_g, cohen$Cohens_d, delta$Glass_delta),
    conf_low = c(g$CI_low, cohen$CI_low, delta$CI_low),
    conf_high = c(g$CI_high, cohen$CI_high, delta$CI_high),
    df = c(nrow(seen) - 2, nrow(seen) - 2, n0 - 1)
  )
}
write_digits(do.call(rbind, sizes), "effect_sizes.csv", "case")

packages <- c("estimatr", "survey", "effectsize")
writeLines(c(R.version.string, paste(packages, sapply(packages, function(p) as.character(packageVersion(p))))),
  "versions.txt")
