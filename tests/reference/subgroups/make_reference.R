# Reference figures for subgroups and for quantiles. Run in this folder: Rscript make_reference.R
# Reads ../linear/trial.csv; writes expected.csv, joint.csv, quantiles.csv (17 significant digits) and versions.txt.
suppressPackageStartupMessages({
  library(estimatr)
  library(clubSandwich)
  library(survey)
})
options(warn = 1)

d <- read.csv("../linear/trial.csv", stringsAsFactors = FALSE)
d$x2 <- factor(d$x2)
d$b <- factor(d$stratum)
d$g <- d$x2
whole <- d

out <- list()
keep <- function(case, m, term) {
  out[[length(out) + 1]] <<- data.frame(
    case = case, estimate = m$coefficients[[term]], std_error = m$std.error[[term]], df = m$df[[term]],
    p_value = m$p.value[[term]], conf_low = m$conf.low[[term]], conf_high = m$conf.high[[term]]
  )
}
robust <- function(f, data, weighted, clustered) {
  args <- list(f, data = data, se_type = if (clustered) "CR2" else "HC2")
  if (weighted) args$weights <- quote(w)
  if (clustered) args$clusters <- quote(cluster)
  do.call(lm_robust, args)
}
levels_g <- levels(d$g)
joint <- list()
for (outcome in c("y", "y2")) for (weighted in c(FALSE, TRUE)) for (clustered in c(FALSE, TRUE)) {
  d <- whole[complete.cases(whole[, c(outcome, "x1", "x2", "w", "cluster", "b")]), ]
  for (name in c("none", "ancova")) {
    tag <- paste(outcome, if (weighted) "w" else "u", if (clustered) "cr2" else "hc2", name, sep = "/")
    rest <- if (name == "ancova") "+ x1 + b" else ""
    between <- robust(as.formula(paste(outcome, "~ z * g", rest)), d, weighted, clustered)
    within <- robust(as.formula(paste(outcome, "~ g + z:g", rest)), d, weighted, clustered)
    for (l in levels_g) keep(paste0(tag, "/level/", l), within, paste0(if (l == levels_g[1]) "g" else "g", l, ":z"))
    for (l in levels_g[-1]) keep(paste0(tag, "/difference/", l), between, paste0("z:g", l))
    # the joint test: Wald's F from the same covariance; HTZ from clubSandwich with clusters
    terms <- paste0("z:g", levels_g[-1])
    est <- between$coefficients[terms]
    V <- between$vcov[terms, terms]
    f <- drop(est %*% solve(V, est)) / length(terms)
    row <- data.frame(case = tag, statistic = f, df1 = length(terms), df2 = between$nobs - between$rank, p_value = NA)
    row$p_value <- pf(f, row$df1, row$df2, lower.tail = FALSE)
    if (clustered) {
      plain <- if (weighted) lm(as.formula(paste(outcome, "~ z * g", rest)), d, weights = w)
               else lm(as.formula(paste(outcome, "~ z * g", rest)), d)
      # with sampling weights the working model is independence with equal variance: targetVariance 1
      V2 <- vcovCR(plain, cluster = d$cluster, type = "CR2", target = rep(1, nrow(d)), inverse_var = FALSE)
      w <- Wald_test(plain, constrain_zero(terms, coefs = coef(plain)), vcov = V2, test = "HTZ")
      row <- data.frame(case = tag, statistic = w$Fstat, df1 = w$df_num, df2 = w$df_denom, p_value = w$p_val)
    }
    joint[[length(joint) + 1]] <- row
  }
}
write_exact <- function(frame, file) {
  for (column in names(frame)) if (is.double(frame[[column]])) frame[[column]] <- sprintf("%.17g", frame[[column]])
  write.csv(frame, file, row.names = FALSE, quote = FALSE)
}
write_exact(do.call(rbind, out), "expected.csv")
write_exact(do.call(rbind, joint), "joint.csv")

# weighted quantiles of one arm: Hyndman and Fan's type 2 is survey's qrule "hf2"
quantiles <- list()
for (weighted in c(FALSE, TRUE)) for (arm in c(0, 1)) for (q in c(0.25, 0.5, 0.9)) {
  part <- whole[whole$z == arm & !is.na(whole$y), ]
  s <- svydesign(ids = ~1, weights = if (weighted) ~w else ~1, data = part)
  found <- svyquantile(~y, s, q, ci = TRUE, interval.type = "mean", qrule = "hf2", df = degf(s))
  quantiles[[length(quantiles) + 1]] <- data.frame(
    case = paste(if (weighted) "w" else "u", arm, q, sep = "/"), estimate = found$y[1, "quantile"],
    low = found$y[1, "ci.2.5"], high = found$y[1, "ci.97.5"]
  )
}
write_exact(do.call(rbind, quantiles), "quantiles.csv")
writeLines(c(R.version.string, vapply(c("estimatr", "clubSandwich", "survey"),
  function(p) paste(p, packageVersion(p)), "")), "versions.txt")
