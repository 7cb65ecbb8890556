# Reference values of weeks saved and of observed over expected returns, from R's survival package: survfit with delayed
# entry and start.time, infinitesimal jackknife influence values, and the restricted mean with its standard error.
# Remake from this folder with: Rscript make_reference.R > expected.csv
suppressMessages(library(survival))
out <- function(what, value) cat(sprintf("%s,%.16g\n", what, value))
cat("what,value\n")
tau <- 45
p <- read.csv("clients.csv"); e <- read.csv("episodes.csv")
p$since <- p$absent - p$entry
area <- function(time, surv, from, to) {          # integral of a step function that is 1 before its first time
  keep <- time > from & time <= to
  knots <- c(from, time[keep], to); steps <- c(1, surv[keep])
  sum(diff(knots) * steps)
}
area_influence <- function(time, infl, from, to) { # the same of each column of influence values
  keep <- which(time > from & time <= to)
  if (length(keep) == 0) return(rep(0, nrow(infl)))
  widths <- diff(c(time[keep], to))
  as.vector(infl[, keep, drop = FALSE] %*% widths)
}
for (weighted in c(FALSE, TRUE)) {
  tag <- if (weighted) "weighted" else "plain"
  w <- if (weighted) p$w else rep(1, nrow(p)); share <- w / sum(w)
  own <- numeric(nrow(p)); episodes <- numeric(nrow(e)); hazards <- numeric(nrow(p)); hazard_infl <- numeric(nrow(e))
  for (i in seq_len(nrow(p))) {
    rows <- which(e$cell == p$cell[i] & e$stop > p$entry[i])
    part <- e[rows, ]
    fit <- survfit(Surv(start, stop, ended) ~ 1, data = part, start.time = p$entry[i], id = episode, robust = TRUE,
                   influence = 3, se.fit = TRUE)
    own[i] <- area(fit$time, fit$surv, p$entry[i], p$entry[i] + tau)
    episodes[rows] <- episodes[rows] +
      share[i] * area_influence(fit$time, fit$influence.surv, p$entry[i], p$entry[i] + tau)
    at <- sum(fit$time <= p$absent[i] & fit$time > p$entry[i])
    if (at > 0) {
      hazards[i] <- fit$cumhaz[at]
      hazard_infl[rows] <- hazard_infl[rows] + w[i] * fit$influence.chaz[, at]
    }
  }
  expected <- sum(share * own)
  p$w_used <- w
  fit <- survfit(Surv(since, returned) ~ 1, data = p, weights = w_used, id = id, robust = TRUE, influence = 1)
  observed <- area(fit$time, fit$surv, 0, tau)
  client_observed <- area_influence(fit$time, fit$influence.surv, 0, tau)  # survfit multiplies by the weight
  out(paste0(tag, "_expected"), expected)
  out(paste0(tag, "_observed"), observed)
  out(paste0(tag, "_saved"), expected - observed)
  out(paste0(tag, "_norm_variance_episodes"), sum(episodes^2))
  out(paste0(tag, "_norm_variance_practices"), sum(tapply(episodes, e$practice, sum)^2))
  out(paste0(tag, "_observed_variance"), sum(client_observed^2))
  saved <- share * (own - expected) - client_observed
  out(paste0(tag, "_client_variance"), sum(saved^2))
  out(paste0(tag, "_client_variance_clusters"), sum(tapply(saved, p$adviser, sum)^2))
  observed_returns <- sum(w * p$returned); due <- sum(w * hazards)
  out(paste0(tag, "_returns_expected"), due)
  out(paste0(tag, "_returns_ratio"), observed_returns / due)
  out(paste0(tag, "_returns_norm_variance"), sum(tapply(hazard_infl, e$practice, sum)^2) / due^2)
  out(paste0(tag, "_returns_client_variance"), sum((w * p$returned / observed_returns - w * hazards / due)^2))
}
plain <- survfit(Surv(since, returned) ~ 1, data = p)
out("greenwood_rmean", summary(plain, rmean = tau)$table["rmean"])
out("greenwood_se", summary(plain, rmean = tau)$table["se(rmean)"])
for (at in c(10, 25)) {
  # left in, episodes that ended before start.time change the curve of survival 3.5-3 (0.395 from 10; 0.410 is S(40)/S(10))
  fit <- survfit(Surv(start, stop, ended) ~ 1, data = subset(e, cell == "back" & stop > at), start.time = at)
  out(paste0("conditional_from_", at), summary(fit, times = at + 30)$surv)
}
