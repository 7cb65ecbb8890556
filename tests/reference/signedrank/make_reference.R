# wilcox.test (asymptotic with and without continuity correction; exact where it can be, with its interval) and
# coin::wilcoxsign_test (exact under ties; Pratt's zeros) on made-up differences.
# Run in this folder: Rscript make_reference.R. Writes data.csv, expected.csv, versions.txt.
suppressMessages(library(coin))
set.seed(20260101)
sets <- list(
  small = round(rnorm(6, 0.5, 2), 3),
  untied = round(rnorm(30, 0.4, 2), 5),
  skewed = round(rlnorm(48, 1, 1) - 3, 5),
  tied = sample(-4:6, 25, replace = TRUE),
  zeros = c(0, 0, 0, sample(c(-3:-1, 1:5), 20, replace = TRUE)),
  weeks = sample(-30:60, 60, replace = TRUE) / 7,
  large = sample(-300:400, 400, replace = TRUE) / 10
)
p <- function(x) sprintf("%.17g", as.numeric(x))
rows <- list()
add <- function(set, name, value) rows[[length(rows) + 1]] <<- data.frame(set = set, name = name, value = p(value))
for (set in names(sets)) {
  d <- sets[[set]]
  # digits.rank: differences that agree to nine digits are ties
  plain <- suppressWarnings(wilcox.test(d, exact = FALSE, correct = FALSE, digits.rank = 9))
  moved <- suppressWarnings(wilcox.test(d, exact = FALSE, correct = TRUE, digits.rank = 9))
  add(set, "statistic", plain$statistic); add(set, "p_plain", plain$p.value); add(set, "p_continuity", moved$p.value)
  ours <- signif(d, 12)
  pairs <- data.frame(a = ours, b = 0)
  for (zero in c("Wilcoxon", "Pratt")) {
    asymptotic <- wilcoxsign_test(a ~ b, data = pairs, distribution = "asymptotic", zero.method = zero)
    add(set, paste0("z_", zero), statistic(asymptotic)); add(set, paste0("p_", zero), pvalue(asymptotic))
    exact <- wilcoxsign_test(a ~ b, data = pairs, distribution = exact(), zero.method = zero)
    add(set, paste0("exact_", zero), pvalue(exact))
  }
  if (!anyDuplicated(abs(d)) && !any(d == 0)) {
    exact <- wilcox.test(d, exact = TRUE, conf.int = TRUE)
    add(set, "p_exact", exact$p.value); add(set, "estimate", exact$estimate)
    add(set, "low", exact$conf.int[1]); add(set, "high", exact$conf.int[2])
    narrow <- wilcox.test(d, exact = TRUE, conf.int = TRUE, conf.level = 0.9)
    add(set, "low90", narrow$conf.int[1]); add(set, "high90", narrow$conf.int[2])
  }
}
write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE)
write.csv(do.call(rbind, lapply(names(sets), function(s) data.frame(set = s, difference = p(sets[[s]])))), "data.csv",
  row.names = FALSE)
writeLines(c(R.version.string, paste("coin", packageVersion("coin"))), "versions.txt")
