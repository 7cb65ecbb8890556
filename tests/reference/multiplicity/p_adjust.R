# Reference values for Holm and Benjamini-Hochberg. Remake from this folder with: Rscript p_adjust.R > p_adjust.csv
set.seed(3)
cases <- list(
  textbook = c(0.01, 0.04, 0.03),
  ties = c(0.02, 0.02, 0.5, 0.02, 1, 0.001),
  one = 0.04,
  missing = c(0.01, NA, 0.2, 0.03, NA, 0.004),
  near_one = c(0.99, 0.98, 1, 0.6),
  tiny = c(1e-300, 1e-12, 0, 0.05, 0.049),
  twenty = round(runif(20)^3, 6)
)
cat("case,place,p,holm,benjamini_hochberg\n")
for (name in names(cases)) {
  p <- cases[[name]]
  h <- p.adjust(p, "holm")
  b <- p.adjust(p, "BH")
  for (i in seq_along(p)) cat(name, i - 1, sprintf("%.17g", p[i]), sprintf("%.17g", h[i]), sprintf("%.17g\n", b[i]), sep = c(",", ",", ",", ",", ""))
}
writeLines(R.version.string, "p_adjust_versions.txt")
