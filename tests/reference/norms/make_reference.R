# Reference figures for norms. Run in this folder: python make_data.py && Rscript make_reference.R
# Reads episodes.csv; writes expected.csv, curve.csv (17 significant digits) and versions.txt.
suppressPackageStartupMessages(library(survival))
options(warn = 1)
d <- read.csv("episodes.csv")

out <- list()
curves <- list()
episodes <- d
number <- function(case, name, estimate, low = NA, high = NA, se = NA)
  out[[length(out) + 1]] <<- data.frame(case = case, name = name, estimate = estimate, std_error = se,
                                        conf_low = low, conf_high = high)

add <- function(case, data, horizon) {
  episodes <<- data
  fit <- survfit(Surv(late, stop, ended) ~ 1, data = episodes, cluster = practice, conf.type = "log-log")
  for (share in c(0.25, 0.5, 0.75)) {
    q <- quantile(fit, share)
    number(case, paste0("q", share), q$quantile[[1]], q$lower[[1]], q$upper[[1]])
  }
  s <- summary(fit)
  curves[[length(curves) + 1]] <<- data.frame(case = case, time = s$time, survival = s$surv, std_error = s$std.err,
                                              conf_low = s$lower, conf_high = s$upper, n_risk = s$n.risk)
  # area under the curve, and its infinitesimal-jackknife error summed within practice
  values <- residuals(fit, times = horizon, type = "auc")
  area <- survival:::survmean(fit, rmean = horizon)$matrix[["rmean"]]
  number(case, "restricted_mean", area, se = sqrt(sum(rowsum(values, data$practice)^2)))
}

add("complete", d, 90)
long <- subset(d, stop > 28)
long$late <- pmax(long$late, 28)
add("longer than 28", long, 118)
closed <- subset(d, ended == 1)
closed$late <- 0
add("seen throughout", closed, 90)
number("seen throughout", "median()", median(closed$stop))

write.csv(format(do.call(rbind, out), digits = 17), "expected.csv", row.names = FALSE, quote = FALSE)
write.csv(format(do.call(rbind, curves), digits = 17), "curve.csv", row.names = FALSE, quote = FALSE)
writeLines(c(R.version.string, paste("survival", packageVersion("survival"))), "versions.txt")
