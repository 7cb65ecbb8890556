# chisq.test(correct = FALSE) on every characteristic of the published Tables C.3, C.10, C.17 and C.22.
# Run in this folder: Rscript make_reference.R. Reads the package's own copies of the tables; writes expected.csv, versions.txt.
out <- list()
for (table in c("c3", "c10", "c17", "c22")) {
  d <- read.csv(file.path("../../../src/impactkit/published/data", paste0("ffws_", table, ".csv")), check.names = FALSE)
  for (name in unique(d$characteristic)) {
    part <- d[d$characteristic == name, ]
    test <- suppressWarnings(chisq.test(cbind(part$returned, part$n - part$returned), correct = FALSE))
    out[[length(out) + 1]] <- data.frame(
      table = table, characteristic = name, statistic = sprintf("%.17g", test$statistic),
      df = test$parameter, p_value = sprintf("%.17g", test$p.value)
    )
  }
}
write.csv(do.call(rbind, out), "expected.csv", row.names = FALSE)
writeLines(R.version.string, "versions.txt")
