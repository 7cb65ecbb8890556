# Reference values for tests on tables of counts. Remake from this folder with: Rscript counts.R > counts.csv
# chisq.test(correct = FALSE), fisher.test, prop.trend.test and prop.test(correct = FALSE) are in base R (package stats);
# the likelihood ratio has no function there and is written out.
tables <- list(
  employer_size = rbind(c(14, 5), c(14, 13), c(71, 38)),
  gender = rbind(c(40, 29), c(59, 40)),
  lopsided = rbind(c(10, 1), c(2, 9)),
  pooled_referral = rbind(c(119, 80), c(348, 245), c(27, 11), c(70, 48)),
  one_in_a_row = rbind(c(46, 30), c(265, 203), c(1, 0), c(8, 2)),
  referral = rbind(c(44, 37), c(33, 10), c(3, 5), c(21, 17)),
  three_by_three = rbind(c(3, 1, 2), c(4, 5, 1), c(0, 2, 6)),
  time_off = rbind(c(38, 9), c(19, 9), c(34, 40)),
  two_by_four = rbind(c(3, 0, 7, 2), c(1, 6, 2, 5)),
  zero_cell = rbind(c(0, 7), c(5, 6))
)
out <- function(table, test, quantity, value)
  cat(table, test, quantity, sprintf("%.17g", value), sep = ",", fill = TRUE)

cat("table,test,quantity,value\n")
for (name in names(tables)) {
  m <- tables[[name]]
  for (i in seq_len(nrow(m))) for (j in seq_len(ncol(m))) out(name, "counts", paste0(i - 1, "_", j - 1), m[i, j])
  pearson <- suppressWarnings(chisq.test(m, correct = FALSE))
  out(name, "pearson", "statistic", pearson$statistic)
  out(name, "pearson", "df", pearson$parameter)
  out(name, "pearson", "p_value", pearson$p.value)
  out(name, "pearson", "smallest_expected", min(pearson$expected))
  g <- 2 * sum(ifelse(m > 0, m * log(m / pearson$expected), 0))
  out(name, "likelihood_ratio", "statistic", g)
  out(name, "likelihood_ratio", "p_value", pchisq(g, pearson$parameter, lower.tail = FALSE))
  out(name, "fisher", "p_value", fisher.test(m, workspace = 2e8)$p.value)
  if (ncol(m) == 2) {
    n <- rowSums(m)
    for (scores in list(seq_along(n), seq_along(n)^2)) {
      trend <- suppressWarnings(prop.trend.test(m[, 1], n, scores))
      label <- if (all(scores == seq_along(n))) "trend" else "trend_squared"
      out(name, label, "statistic", trend$statistic)
      out(name, label, "p_value", trend$p.value)
    }
    for (i in seq_along(n)) for (level in c(0.95, 0.9)) {
      interval <- suppressWarnings(prop.test(m[i, 1], n[i], conf.level = level, correct = FALSE))$conf.int
      out(name, paste0("wilson_", i - 1, "_", level), "low", interval[1])
      out(name, paste0("wilson_", i - 1, "_", level), "high", interval[2])
    }
  }
}
writeLines(c(R.version.string, paste("platform", R.version$platform)), "versions.txt")
