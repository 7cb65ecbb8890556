# Reference figures for Cox regression. Run in this folder: Rscript make_reference.R
# Reads cohort.csv; writes fits.csv, dfbeta.csv, baseline.csv, zph.csv, schoenfeld.csv (17 digits) and versions.txt.
suppressPackageStartupMessages(library(survival))
d <- read.csv("cohort.csv")
exact <- coxph.control(eps = 1e-14, toler.chol = 1e-14, iter.max = 50)
n <- nrow(d)
fits <- dfb <- base <- zph <- scho <- list()
add <- function(list, frame) { list[[length(list) + 1]] <- frame; list }

for (ties in c("efron", "breslow")) for (late in c(FALSE, TRUE)) for (weighted in c(FALSE, TRUE))
for (strat in c(FALSE, TRUE)) for (weeks in c(FALSE, TRUE)) {
  if (weeks && (weighted || ties == "breslow")) next
  case <- gsub("-+", "-", gsub("-$", "", paste(c(ties, c("late", "weighted", "strata", "weeks")[c(late, weighted, strat, weeks)]), collapse = "-")))
  unit <- if (weeks) 7 else 1
  d$y <- if (late) Surv(d$entry / unit, d$days / unit, d$event) else Surv(d$days / unit, d$event)
  form <- if (strat) y ~ x1 + x2 + x3 + strata(stratum) else y ~ x1 + x2 + x3
  d$ww <- if (weighted) d$w else rep(1, n)
  m <- coxph(form, data = d, weights = ww, ties = ties, control = exact, x = TRUE, robust = FALSE)
  raw <- residuals(m, type = "dfbeta", weighted = TRUE)
  clustered <- t(rowsum(raw, d$cluster)) %*% rowsum(raw, d$cluster)
  # the model's own clustered errors are the same sums
  mc <- coxph(form, data = d, weights = ww, ties = ties, control = exact, cluster = cluster)
  stopifnot(isTRUE(all.equal(unname(mc$var), unname(clustered), tolerance = 1e-8)))
  p <- 3
  fits <- add(fits, data.frame(case = case, term = names(coef(m)), coef = coef(m), se = sqrt(diag(m$var)),
    robust = sqrt(diag(t(raw) %*% raw)), clustered = sqrt(diag(mc$var)), null = m$loglik[1], loglik = m$loglik[2],
    score = m$score, robust12 = (t(raw) %*% raw)[1, 2], vcov12 = m$var[1, 2],
    p_value = 2 * pnorm(-abs(coef(m)) / sqrt(diag(mc$var))),
    low = exp(coef(m) - qnorm(0.975) * sqrt(diag(mc$var))), high = exp(coef(m) + qnorm(0.975) * sqrt(diag(mc$var)))))
  dfb <- add(dfb, data.frame(case = case, row = seq_len(n), raw))
  h <- basehaz(m, centered = FALSE)
  if (!strat) h$strata <- "stratum=0"
  base <- add(base, data.frame(case = case, time = h$time, hazard = h$hazard, stratum = sub("stratum=", "", h$strata)))
  for (g in c("km", "identity", "log", "rank")) {
    z <- cox.zph(m, transform = g)
    zph <- add(zph, data.frame(case = case, transform = g, term = rownames(z$table), z$table))
  }
  if (!weighted) {
    s <- residuals(m, type = "schoenfeld"); ss <- residuals(m, type = "scaledsch")
    scho <- add(scho, data.frame(case = case, s = s, ss = ss))
  }
}
write17 <- function(list, file) {
  frame <- do.call(rbind, list)
  for (name in names(frame)) if (is.numeric(frame[[name]])) frame[[name]] <- format(frame[[name]], digits = 17, trim = TRUE)
  write.csv(frame, file, row.names = FALSE, quote = FALSE)
}
write17(fits, "fits.csv"); write17(base, "baseline.csv"); write17(zph, "zph.csv")
keep <- grepl("^efron(-late)?(-weighted)?(-strata)?$", vapply(dfb, function(f) f$case[1], ""))
write17(dfb[keep], "dfbeta.csv")
for (place in seq_along(scho)) names(scho[[place]]) <- c("case", paste0("s", 1:3), paste0("ss", 1:3))
write17(scho[1:4], "schoenfeld.csv")

# --- the analyses: clients by characteristic, and clients against control episodes ------------------------
a <- read.csv("stacked.csv", na.strings = c("", "NA"))
a$cell <- interaction(a$area, a$diagnosis, drop = TRUE)
ok <- a[!is.na(a$event) & a$start < a$stop, ]
rows <- list()
keep <- function(case, m, se, df) {
  b <- coef(m); half <- qt(0.975, df) * se
  rows <<- add(rows, data.frame(case = case, term = names(b), estimate = exp(b), std_error = exp(b) * se,
    conf_low = exp(b - half), conf_high = exp(b + half), statistic = b / se, p_value = 2 * pt(-abs(b / se), df), df = df))
}
clients <- ok[ok$client == 1, ]
form <- Surv(start, stop, event) ~ sex + age + referred_by + strata(diagnosis)
m <- coxph(form, clients, control = exact, robust = TRUE, id = seq_len(nrow(clients)))
keep("robust", m, sqrt(diag(m$var)), Inf); keep("model", m, sqrt(diag(m$naive.var)), Inf)
m <- coxph(form, clients, control = exact, cluster = group, weights = w); G <- length(unique(clients$group))
keep("clustered", m, sqrt(diag(m$var) * G / (G - 1)), G - 1)
jack <- function(b, others) { k <- ncol(others); rowSums((others - b)^2) * (k - 1) / k }
others <- sapply(unique(clients$group), function(g) coef(coxph(form, clients[clients$group != g, ], control = exact,
  weights = w, robust = FALSE)))
keep("jackknife", m, sqrt(jack(coef(m), others)), G - 1)
for (weighted in c(FALSE, TRUE)) {
  ok$ww <- if (weighted) ok$w else 1
  ok$by <- if (weighted) ok$group else ok$alone
  m <- coxph(Surv(start, stop, event) ~ client + strata(cell), ok, weights = ww, control = exact, robust = FALSE)
  r <- residuals(m, type = "dfbeta", weighted = TRUE)
  part <- function(who) { s <- rowsum(r[who], ok$by[who]); c(sum(s^2), length(s)) }
  one <- part(ok$client == 1); two <- part(ok$client == 0)
  v <- c(one[1] * if (weighted) one[2] / (one[2] - 1) else 1, two[1] * two[2] / (two[2] - 1))
  d <- c(if (weighted) one[2] - 1 else Inf, two[2] - 1)
  without <- function(g) { r <- ok$by != g; coef(coxph(Surv(start, stop, event) ~ client + strata(cell), ok[r, ],
    weights = ww, control = exact, robust = FALSE)) }
  w1 <- jack(coef(m), t(sapply(unique(ok$by[ok$client == 0]), without)))
  w2 <- if (weighted) jack(coef(m), t(sapply(unique(ok$by[ok$client == 1]), without))) else one[1]
  keep(if (weighted) "norm-clustered-jackknife" else "norm-jackknife", m, sqrt(w1 + w2),
    (w1 + w2)^2 / sum(c(w2, w1)^2 / d))
  keep(if (weighted) "norm-clustered" else "norm", m, sqrt(sum(v)), sum(v)^2 / sum(v^2 / d))
}
write17(rows, "analyses.csv")
writeLines(c(R.version.string, paste("survival", packageVersion("survival"))), "versions.txt")
