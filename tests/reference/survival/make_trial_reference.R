# Reference figures for TimeToWork and SurvivalCurves. Run in this folder: Rscript make_trial_reference.R
# Reads absences.csv (group 2 left out, group 1 against group 0); writes trial.csv with 17 significant digits.
suppressPackageStartupMessages(library(survival))
d <- subset(read.csv("absences.csv"), group < 2)
d$length <- d$stop - d$entry
out <- list()
put <- function(case, estimate, se) out[[length(out) + 1]] <<- data.frame(case, estimate, std_error = se)
area <- function(f, tau) {  # as survRM2::rmst1
  keep <- f$time <= tau & f$n.event > 0
  t <- f$time[keep]; n <- f$n.risk[keep]; e <- f$n.event[keep]
  areas <- diff(c(0, t, tau)) * c(1, f$surv[keep])
  g <- ifelse(n - e == 0, 0, e / (n * (n - e)))
  c(sum(areas), sum(rev(cumsum(rev(areas[-1])))^2 * g))
}
tau <- 40
a <- lapply(0:1, function(k) area(survfit(Surv(length, event) ~ 1, d[d$group == k, ]), tau))
put("difference", a[[2]][1] - a[[1]][1], sqrt(a[[1]][2] + a[[2]][2]))
put("log_ratio", log(a[[2]][1] / a[[1]][1]), sqrt(a[[1]][2] / a[[1]][1]^2 + a[[2]][2] / a[[2]][1]^2))
put("control", a[[1]][1], sqrt(a[[1]][2]))
parts <- sapply(split(d, d$site), function(s) {
  b <- lapply(0:1, function(k) area(survfit(Surv(length, event) ~ 1, s[s$group == k, ]), 25))
  c(nrow(s) / nrow(d), b[[2]][1] - b[[1]][1], b[[1]][2] + b[[2]][2])
})
put("stratified", sum(parts[1, ] * parts[2, ]), sqrt(sum(parts[1, ]^2 * parts[3, ])))
cx <- function(case, m) put(case, coef(m)[["group"]], sqrt(m$var[1, 1]))
d$id <- seq_len(nrow(d))
cx("hazard", coxph(Surv(length, event) ~ group, d, cluster = id))
cx("hazard_strata", coxph(Surv(length, event) ~ group + x + strata(site), d, cluster = id))
cx("hazard_clusters", coxph(Surv(length, event) ~ group, d, cluster = practice, weights = w))
cx("hazard_onset", coxph(Surv(entry, stop, event) ~ group, d, cluster = id))
frame <- do.call(rbind, out)
for (n in c("estimate", "std_error")) frame[[n]] <- trimws(formatC(frame[[n]], digits = 17, format = "g"))
write.csv(frame, "trial.csv", row.names = FALSE, quote = FALSE)
