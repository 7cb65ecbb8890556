# Reference values for competing exits. Remake from this folder with: python make_data.py && Rscript make_reference.R
suppressMessages({library(survival); library(cmprsk)})
people <- read.csv("people.csv")
people$exit <- factor(people$cause, 0:3, c("censored", "work", "other", "third"))
late <- people[people$late == 1, ]
times <- c(3, 7, 20, 45, 60)
tau <- 60
rows <- list()
add <- function(case, what, term, time, value) {
  rows[[length(rows) + 1]] <<- data.frame(case = case, what = what, term = term, time = time, value = sprintf("%.15g", value))
}
states <- c("work", "other", "third")

incidence <- function(case, fit, weight, cluster) {
  s <- summary(fit, times = times)
  # The influence survfit returns is per unit of weight, its first slice is time 0. survfit 3.5-3 sets cluster= aside
  # when id= is given for several states, so errors by cluster are formed here from that influence.
  influence <- fit$influence.pstate[, -1, , drop = FALSE] * weight
  summed <- array(apply(influence, 2:3, function(column) rowsum(column, cluster)), c(length(unique(cluster)), dim(influence)[2:3]))
  error <- sqrt(apply(summed^2, 2:3, sum))
  if (length(unique(cluster)) == length(cluster)) stopifnot(max(abs(error - fit$std.err)) < 1e-10)
  place <- findInterval(times, fit$time)
  for (j in c(seq_along(states), 0)) for (k in seq_along(times)) {
    add(case, "estimate", c("absent", states)[j + 1], times[k], s$pstate[k, j + 1])
    add(case, "std_error", c("absent", states)[j + 1], times[k], error[place[k], j + 1])
  }
  width <- diff(c(pmin(fit$time, tau), tau))
  for (j in seq_along(states)) {
    add(case, "lost", states[j], tau, sum(width * fit$pstate[, j + 1]))
    add(case, "lost_se", states[j], tau, sqrt(sum((summed[, , j + 1] %*% width)^2)))
  }
}
limits <- function(case, fits) {
  for (type in names(fits)) {
    s <- summary(fits[[type]], times = times)
    for (k in seq_along(times)) {
      add(case, paste("low", type), "work", times[k], s$lower[k, 2])
      add(case, paste("high", type), "work", times[k], s$upper[k, 2])
    }
  }
}
types <- c("log-log" = "log-log", log = "log", plain = "plain")
incidence("ties", survfit(Surv(days, exit) ~ 1, data = people, id = id, influence = TRUE), rep(1, 260), people$id)
limits("ties", lapply(types, function(type) survfit(Surv(days, exit) ~ 1, data = people, id = id, conf.type = type)))
incidence("entry", survfit(Surv(entry, days, exit) ~ 1, data = late, id = id, influence = TRUE), rep(1, nrow(late)), late$id)
incidence("entry weights", survfit(Surv(entry, days, exit) ~ 1, data = late, id = id, weights = w, influence = TRUE), late$w, late$id)
incidence("entry weights clusters", survfit(Surv(entry, days, exit) ~ 1, data = late, id = id, weights = w, influence = TRUE), late$w, late$cluster)
limits("entry weights", lapply(types, function(type) survfit(Surv(entry, days, exit) ~ 1, data = late, id = id, weights = w, conf.type = type)))

# cmprsk: another program for the same curves, with another variance
ci <- cuminc(people$days, people$cause)
tp <- timepoints(ci, times)
for (j in 1:3) for (k in seq_along(times)) {
  add("cuminc", "estimate", states[j], times[k], tp$est[j, k])
  add("cuminc", "variance", states[j], times[k], tp$var[j, k])
}
gray <- function(case, fit) for (j in 1:3) {
  add(case, "statistic", states[j], NA, fit$Tests[j, "stat"])
  add(case, "p_value", states[j], NA, fit$Tests[j, "pv"])
  add(case, "df", states[j], NA, fit$Tests[j, "df"])
}
gray("gray ties", cuminc(people$days, people$cause, people$group))
gray("gray smooth", cuminc(people$smooth, people$cause, people$group))
gray("gray strata", cuminc(people$days, people$cause, people$group, people$block))
two <- people$group != "c"
gray("gray two", cuminc(people$days[two], people$cause[two], people$group[two]))

# Fine and Gray
model <- function(case, names, coef, se) for (j in seq_along(names)) {
  add(case, "coef", names[j], NA, coef[j]); add(case, "std_error", names[j], NA, se[j])
}
f <- crr(people$smooth, people$cause, cbind(x = people$x, z = people$z), failcode = 1, cencode = 0, gtol = 1e-12, maxiter = 30)
model("crr", c("x", "z"), f$coef, sqrt(diag(f$var)))
f <- crr(people$smooth, people$cause, cbind(x = people$x, z = people$z), cengroup = people$block, failcode = 1, cencode = 0, gtol = 1e-12, maxiter = 30)
model("crr cengroup", c("x", "z"), f$coef, sqrt(diag(f$var)))
tight <- coxph.control(eps = 1e-11, iter.max = 50)
for (ties in c("efron", "breslow")) {
  d <- finegray(Surv(days, exit) ~ ., data = people, etype = "work")
  f <- coxph(Surv(fgstart, fgstop, fgstatus) ~ x + z + cluster(id), weights = fgwt, data = d, ties = ties, control = tight)
  model(paste("finegray", ties), c("x", "z"), coef(f), sqrt(diag(vcov(f))))
  d <- finegray(Surv(entry, days, exit) ~ ., data = late, id = id, etype = "work")
  f <- coxph(Surv(fgstart, fgstop, fgstatus) ~ x + z + cluster(id), weights = fgwt, data = d, ties = ties, control = tight)
  model(paste("finegray entry", ties), c("x", "z"), coef(f), sqrt(diag(vcov(f))))
  f <- coxph(Surv(fgstart, fgstop, fgstatus) ~ x + z + cluster(cluster), weights = fgwt, data = d, ties = ties, control = tight)
  model(paste("finegray entry clusters", ties), c("x", "z"), coef(f), sqrt(diag(vcov(f))))
  parts <- lapply(split(late, late$block), function(part) finegray(Surv(entry, days, exit) ~ ., data = part, id = id, etype = "work"))
  d <- do.call(rbind, parts)
  f <- coxph(Surv(fgstart, fgstop, fgstatus) ~ x + z + strata(block) + cluster(id), weights = fgwt, data = d, ties = ties, control = tight)
  model(paste("finegray entry strata", ties), c("x", "z"), coef(f), sqrt(diag(vcov(f))))
}
out <- do.call(rbind, rows)
write.csv(out, "expected.csv", row.names = FALSE, quote = FALSE)
writeLines(c(R.version.string, paste("survival", packageVersion("survival")), paste("cmprsk", packageVersion("cmprsk"))), "versions.txt")
