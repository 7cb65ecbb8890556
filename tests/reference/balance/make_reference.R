# Standardised differences by MatchIt; the joint test as an F test of lm. Run in this folder: Rscript make_reference.R
# Reads trial.csv; writes differences.csv, joint.csv (17 significant digits) and versions.txt.
suppressPackageStartupMessages({
  library(MatchIt)
  library(clubSandwich)
})
d <- read.csv("trial.csv", stringsAsFactors = FALSE)
d$schooling <- factor(d$schooling)
write_digits <- function(table, file, text) {
  for (name in setdiff(names(table), text)) table[[name]] <- sprintf("%.17g", table[[name]])
  write.csv(table, file, row.names = FALSE, quote = FALSE)
}

# --- standardised differences: MatchIt divides by the standard deviation of the treated (ATT), control (ATC) or by the
# pooled one (ATE), always of the data before weighting; shares by sqrt(p (1 - p)) --------------------------------
out <- list()
for (estimand in c("ATT", "ATC", "ATE")) {
  m <- matchit(z ~ age + earnings + owner + schooling, data = d, method = NULL, estimand = estimand)
  m$weights <- d$w
  class(m) <- c("matchit.subset", "matchit") # summary() shows "matched" figures for any weights
  m$info$method <- "cem"
  s <- summary(m, standardize = TRUE, interactions = FALSE)
  for (part in c("all", "matched")) {
    table <- s[[paste0("sum.", part)]]
    table <- table[rownames(table) != "distance", , drop = FALSE]
    out[[length(out) + 1]] <- data.frame(
      case = paste(estimand, part, rownames(table), sep = "/"),
      treated = table[, "Means Treated"], control = table[, "Means Control"],
      difference = table[, "Std. Mean Diff."], ratio = table[, "Var. Ratio"]
    )
  }
}
write_digits(do.call(rbind, out), "differences.csv", "case")

# --- the joint test -------------------------------------------------------------------------------------
joint <- list()
keep <- function(case, statistic, df1, df2, p) {
  joint[[length(joint) + 1]] <<- data.frame(case = case, statistic = statistic, df1 = df1, df2 = df2, p_value = p)
}
f_test <- function(case, small, large) {
  a <- anova(small, large)
  keep(case, a$F[2], a$Df[2], a$Res.Df[2], a[["Pr(>F)"]][2])
}
x <- "age + earnings + owner + schooling"
f_test("people", lm(z ~ 1, d), lm(as.formula(paste("z ~", x)), d))
# Within strata: with c = m (n - m) / (n (n - 1)) the scaled regression is weighted least squares of z / c, weights c
scaled <- function(units, arm) {
  n <- ave(units[[arm]], units$stratum, FUN = length)
  m <- ave(units[[arm]], units$stratum, FUN = sum)
  units$c <- m * (n - m) / (n * (n - 1))
  units$target <- units[[arm]] / units$c
  units
}
e <- scaled(d, "z")
f_test("people/strata", lm(target ~ stratum, e, weights = c), lm(as.formula(paste("target ~ stratum +", x)), e, weights = c))
# Clusters: sums of deviations from the stratum mean, weighted or not
columns <- model.matrix(~ age + earnings + owner + schooling, d)[, -1]
for (weighted in c(FALSE, TRUE)) {
  w <- if (weighted) d$w else rep(1, nrow(d))
  dev <- sapply(colnames(columns), function(name) {
    mean_b <- ave(columns[, name] * w, d$stratum, FUN = sum) / ave(w, d$stratum, FUN = sum)
    w * (columns[, name] - mean_b)
  })
  g <- data.frame(rowsum(dev, d$cluster))
  first <- match(rownames(g), d$cluster)
  g$zc <- d$zc[first]
  g$stratum <- d$stratum[first]
  g <- scaled(g, "zc")
  rhs <- paste(setdiff(names(g), c("zc", "stratum", "c", "target")), collapse = " + ")
  f_test(paste0("clusters/strata/", if (weighted) "weighted" else "plain"),
    lm(target ~ stratum, g, weights = c), lm(as.formula(paste("target ~ stratum +", rhs)), g, weights = c))
}
# For comparison, not the same test: Wald tests of the regression of the arm on the covariates, robust to clusters
for (test in c("HTZ", "chi-sq")) {
  fit <- lm(as.formula(paste("zc ~ stratum +", x)), d)
  wald <- Wald_test(fit, constraints = constrain_zero(4:8), vcov = "CR2", cluster = d$cluster, test = test)
  keep(paste0("wald/CR2/", test), wald$Fstat, wald$df_num, wald$df_denom, wald$p_val)
}
write_digits(do.call(rbind, joint), "joint.csv", "case")
packages <- c("MatchIt", "clubSandwich")
writeLines(c(R.version.string, paste(packages, sapply(packages, function(p) as.character(packageVersion(p))))),
  "versions.txt")
