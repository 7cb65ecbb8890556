# Reference figures for the survival kernels. Run in this folder: python make_data.py && Rscript make_reference.R
# Reads absences.csv; writes curves.csv, quantiles.csv, tests.csv, rmst.csv (17 significant digits) and versions.txt.
suppressPackageStartupMessages(library(survival))
d <- read.csv("absences.csv")
d$weeks <- d$stop / 7
d$weeks0 <- d$entry / 7
curves <- quantiles <- tests <- rmst <- list()
put <- function(list, ...) c(list, list(data.frame(..., stringsAsFactors = FALSE)))

# the area under S to tau and its Greenwood-type error, as survRM2::rmst1 gives it
area <- function(f, tau, from = 0) {
  keep <- f$time <= tau & f$n.event > 0
  t <- f$time[keep]; s <- f$surv[keep]; n <- f$n.risk[keep]; e <- f$n.event[keep]
  widths <- diff(c(from, t, tau)); areas <- widths * c(1, s)
  g <- ifelse(n - e == 0, 0, e / (n * (n - e)))
  c(sum(areas), sqrt(sum(rev(cumsum(rev(areas[-1])))^2 * g)))
}
# the same from survfit's influence matrix: the derivative of S at each time, by person
area_ij <- function(f, tau, cluster, w, from = 0) {
  t <- f$time; keep <- t <= tau
  widths <- diff(c(t[keep], tau))
  v <- f$influence.surv[, keep, drop = FALSE] %*% widths
  c(area(f, tau, from)[1], sqrt(sum(v^2)))
}
cases <- list(
  plain = quote(Surv(stop, event) ~ 1), entry = quote(Surv(entry, stop, event) ~ 1),
  weeks = quote(Surv(weeks, event) ~ 1), weeks_entry = quote(Surv(weeks0, weeks, event) ~ 1))
for (name in names(cases)) for (kind in c("greenwood", "robust", "weighted", "clustered", "weighted_clustered")) {
  for (since in c(NA, 12)) {
    if (!is.na(since) && grepl("weeks", name)) next
    args <- list(formula = eval(cases[[name]]), data = d, conf.type = "log-log")
    if (grepl("weighted", kind)) args$weights <- d$w
    if (grepl("clustered", kind)) args$cluster <- d$practice
    args$robust <- kind != "greenwood"
    if (!is.na(since)) args$start.time <- since
    if (kind != "greenwood") { args$influence <- 3; if (is.null(args$cluster)) args$id <- seq_len(nrow(d)) }
    f <- do.call(survfit, args)
    keep <- f$n.event > 0
    label <- paste(name, kind, if (is.na(since)) "all" else "since", sep = "/")
    lims <- lapply(c("log-log", "log", "plain"), function(ct)
      survival:::survfit_confint(f$surv, f$std.err, logse = f$logse, conf.type = ct, conf.int = 0.95))
    curves <- put(curves, case = label, time = f$time[keep], n_risk = f$n.risk[keep], n_event = f$n.event[keep],
      surv = f$surv[keep], std_err = (if (f$logse) f$std.err else f$std.err / f$surv)[keep], chaz = f$cumhaz[keep],
      std_chaz = f$std.chaz[keep],
      ll_low = lims[[1]]$lower[keep], ll_high = lims[[1]]$upper[keep], log_low = lims[[2]]$lower[keep],
      log_high = lims[[2]]$upper[keep], plain_low = lims[[3]]$lower[keep], plain_high = lims[[3]]$upper[keep])
    for (ct in c("log-log", "log", "plain")) {
      args$conf.type <- ct
      q <- quantile(do.call(survfit, args), c(0.25, 0.5, 0.75))
      quantiles <- put(quantiles, case = label, conf_type = ct, p = c(0.25, 0.5, 0.75), quantile = unname(q$quantile),
        low = unname(q$lower), high = unname(q$upper))
    }
    from <- if (is.na(since)) 0 else since
    tau <- if (grepl("weeks", name)) 60 / 7 else 60
    r <- if (kind == "greenwood") area(f, tau, from) else area_ij(f, tau, NULL, NULL, from)
    rmst <- put(rmst, case = label, tau = tau, estimate = r[1], std_error = r[2])
  }
}
# a curve that lies exactly on the level for a while, and one that ends on it
flat <- survfit(Surv(c(1, 2, 3, 4, 6, 8), rep(1, 6)) ~ 1, conf.type = "log-log")
ends <- survfit(Surv(c(1, 2, 5, 9), c(1, 1, 0, 0)) ~ 1, conf.type = "log-log")
for (one in list(list("flat", flat), list("ends", ends))) {
  q <- quantile(one[[2]], c(0.25, 0.5, 0.75))
  quantiles <- put(quantiles, case = one[[1]], conf_type = "log-log", p = c(0.25, 0.5, 0.75),
    quantile = unname(q$quantile), low = unname(q$lower), high = unname(q$upper))
}
sd <- function(label, f, rho = 0) {
  m <- survdiff(f, d, rho = rho)
  o <- if (is.matrix(m$obs)) rowSums(m$obs) else m$obs
  e <- if (is.matrix(m$exp)) rowSums(m$exp) else m$exp
  tests <<- put(tests, case = label, statistic = m$chisq, df = length(o) - 1, o1 = o[1], e1 = e[1], v1 = m$var[1, 1])
}
sd("groups", Surv(stop, event) ~ group)
sd("groups_rho", Surv(stop, event) ~ group, 1)
sd("groups_half", Surv(stop, event) ~ group, 0.5)
sd("strata", Surv(stop, event) ~ group + strata(site))
sd("strata_rho", Surv(stop, event) ~ group + strata(site), 1)
sd("weeks", Surv(weeks, event) ~ group)
# with delayed entry survdiff has no answer: without ties the score test of a Cox model is the log-rank test
d$apart <- d$stop + seq_len(nrow(d)) / 1000
exact <- function(label, f) {
  m <- coxph(f, d)
  tests <<- put(tests, case = label, statistic = m$score, df = 2, o1 = NA, e1 = NA, v1 = NA)
}
exact("entry", Surv(entry, apart, event) ~ factor(group))
exact("entry_strata", Surv(entry, apart, event) ~ factor(group) + strata(site))
# robust: score residuals of a Cox model held at no effect (Breslow ties), squared within practice
robust <- function(label, f, weights, cluster) {
  d$caseload <<- weights
  m <- coxph(f, d, ties = "breslow", weights = caseload, init = c(0, 0), iter.max = 0, control = coxph.control(iter.max = 0))
  u <- residuals(m, type = "score", weighted = TRUE)
  s <- colSums(u)
  if (!is.null(cluster)) { g <- length(unique(cluster)); u <- rowsum(u, cluster) * sqrt(g / (g - 1)) }
  tests <<- put(tests, case = label, statistic = drop(s %*% solve(t(u) %*% u) %*% s), df = 2, o1 = NA, e1 = NA, v1 = NA)
}
ones <- rep(1, nrow(d))
robust("robust", Surv(stop, event) ~ factor(group), ones, NULL)
robust("robust_weighted_entry", Surv(entry, stop, event) ~ factor(group) + strata(site), d$w, NULL)
robust("robust_clustered", Surv(entry, stop, event) ~ factor(group), d$w, d$practice)
save <- function(list, file) {
  frame <- do.call(rbind, list)
  for (name in names(frame)) if (is.numeric(frame[[name]])) frame[[name]] <- ifelse(is.na(frame[[name]]), "", trimws(formatC(frame[[name]], digits = 17, format = "g")))
  write.csv(frame, file, row.names = FALSE, quote = FALSE)
}
save(curves, "curves.csv"); save(quantiles, "quantiles.csv"); save(tests, "tests.csv"); save(rmst, "rmst.csv")
writeLines(c(R.version.string, paste("survival", packageVersion("survival"))), "versions.txt")
