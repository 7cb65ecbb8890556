# Reference fits. Run in this folder: python make_data.py && Rscript make_reference.R
# survreg of survival where it can (no delayed entry); elsewhere the likelihood written out in base R and climbed by
# Newton's method with numerical derivatives of fourth order, checked by its gradient.
suppressPackageStartupMessages(library(survival))
d <- read.csv("absences.csv")
d$upper <- as.numeric(d$upper)
out <- list()
add <- function(case, name, value, se = NA, robust = NA)
  out[[length(out) + 1]] <<- data.frame(case = case, name = name, value = value, se = se, robust = robust)

# --- survreg: Weibull, log-normal; right and interval censored; weights; robust by practice -----------------
control <- survreg.control(rel.tolerance = 1e-14, maxiter = 100)
for (dist in c("weibull", "lognormal")) for (data in c("right", "interval")) for (weighted in c(FALSE, TRUE)) {
  d$.w <- if (weighted) d$w else 1
  own <- if (data == "right") d else d
  y <- if (data == "right") Surv(d$stop, d$event) else
    Surv(ifelse(d$lower <= 0, NA, d$lower), ifelse(is.finite(d$upper), d$upper, NA), type = "interval2")
  fit <- survreg(y ~ x + arm, data = d, dist = dist, weights = .w, control = control)
  rob <- survreg(y ~ x + arm, data = d, dist = dist, weights = .w, cluster = practice, control = control)
  values <- c(coef(fit), log(fit$scale))
  case <- paste(dist, data, weighted, sep = "|")
  # survreg gives the likelihood of log time for intervals too; of time for exact ones
  add(case, c("location", "x", "arm", "log_scale"), values, sqrt(diag(fit$var)), sqrt(diag(rob$var)))
  add(case, "loglik", fit$loglik[2])
}

# --- likelihoods in base R -------------------------------------------------------------------------------------
S_gg <- function(t, mu, sigma, Q) {
  w <- (log(t) - mu) / sigma
  if (Q == 0) return(pnorm(w, lower.tail = FALSE))
  a <- Q^-2
  pgamma(a * exp(Q * w), a, lower.tail = Q < 0)
}
f_gg <- function(t, mu, sigma, Q) {
  w <- (log(t) - mu) / sigma
  if (Q == 0) return(dnorm(w) / (sigma * t))
  a <- Q^-2
  exp(log(abs(Q)) + a * log(a) - lgamma(a) + a * (Q * w - exp(Q * w))) / (sigma * t)
}
basis <- function(x, k) {
  m <- length(k); b <- cbind(1, x); s <- cbind(0, rep(1, length(x)))
  for (j in seq_len(m - 2)) {
    l <- (k[m] - k[j + 1]) / (k[m] - k[1]); p <- function(c, e) pmax(x - c, 0)^e
    b <- cbind(b, p(k[j + 1], 3) - l * p(k[1], 3) - (1 - l) * p(k[m], 3))
    s <- cbind(s, 3 * (p(k[j + 1], 2) - l * p(k[1], 2) - (1 - l) * p(k[m], 2)))
  }
  list(b = b, s = s)
}
contribution <- function(model, data) function(th) {
  if (model == "gg") {
    mu <- th[1] + d$x * th[2] + d$arm * th[3]; sigma <- exp(th[4]); Q <- th[5]
    S <- function(t) S_gg(t, mu, sigma, Q); f <- function(t) f_gg(t, mu, sigma, Q)
  } else if (model %in% c("weibull", "lognormal")) {
    mu <- th[1] + d$x * th[2] + d$arm * th[3]; sigma <- exp(th[4])
    S <- function(t) S_gg(t, mu, sigma, if (model == "weibull") 1 else 0)
    f <- function(t) f_gg(t, mu, sigma, if (model == "weibull") 1 else 0)
  } else {
    g <- th[1:(length(th) - 2)]; lin <- d$x * th[length(th) - 1] + d$arm * th[length(th)]
    z <- function(t) as.vector(basis(log(t), knots)$b %*% g) + lin
    r <- function(t) as.vector(basis(log(t), knots)$s %*% g)
    if (model == "hazard") {
      S <- function(t) exp(-exp(z(t))); f <- function(t) exp(z(t) - exp(z(t))) * r(t) / t
    } else {
      S <- function(t) plogis(-z(t)); f <- function(t) dlogis(z(t)) * r(t) / t
    }
  }
  S0 <- function(t) ifelse(t > 0, S(pmax(t, 1e-300)), 1)
  late <- log(S0(d$entry))
  if (data == "right") return(ifelse(d$event == 1, log(f(d$stop)), log(S(d$stop))) - late)
  exact <- d$lower_late == d$upper
  up <- ifelse(is.finite(d$upper), S(pmin(d$upper, 1e6)), 0)
  ifelse(exact, log(f(pmax(d$lower_late, 1e-9))), log(S0(d$lower_late) - up)) - late
}
grad <- function(f, th, h = 2e-3 * pmax(1, abs(th))) {
  one <- function(j) { e <- replace(numeric(length(th)), j, h[j])
    (45 * (f(th + e) - f(th - e)) - 9 * (f(th + 2 * e) - f(th - 2 * e)) + (f(th + 3 * e) - f(th - 3 * e))) / 60 / sum(e) }
  sapply(seq_along(th), one)
}
knots <- quantile(log(d$stop[d$event == 1]), seq(0, 1, length = 4))
starts <- list(gg = c(2, 0, 0, 0, 0.5), weibull = c(2, 0, 0, 0), lognormal = c(2, 0, 0, 0),
               hazard = c(-2, 1, 0, 0, 0, 0), odds = c(-3, 1.5, 0, 0, 0, 0))
for (model in names(starts)) for (data in c("right", "interval")) {
  if (data == "interval") {
    mid <- ifelse(is.finite(d$upper), (d$lower_late + d$upper) / 2, NA)
    knots <- quantile(log(mid[!is.na(mid)]), seq(0, 1, length = 4))
  } else knots <- quantile(log(d$stop[d$event == 1]), seq(0, 1, length = 4))
  each <- contribution(model, data)
  total <- function(th) { v <- sum(d$w * each(th)); if (is.finite(v)) v else -1e10 }
  th <- starts[[model]]
  for (again in 1:6) th <- optim(th, function(p) -total(p), control = list(maxit = 5000, reltol = 1e-14))$par
  step <- 2e-3 * pmax(1, abs(th))
  score <- function(p) grad(total, p, step)
  for (again in 1:14) {
    H <- grad(score, th, step); th <- th - solve((H + t(H)) / 2, score(th))
    if (again == 6) step <- 0.05 / sqrt(-diag(H))
  }
  H <- grad(score, th, step); V <- solve(-(H + t(H)) / 2)
  stopifnot(max(abs(score(th)) * sqrt(diag(V))) < 1e-8)
  U <- rowsum(d$w * grad(each, th, step), d$practice)
  R <- V %*% crossprod(U) %*% V
  names <- if (model %in% c("hazard", "odds")) c(paste0("gamma", 0:3), "x", "arm") else
    c("location", "x", "arm", "log_scale", if (model == "gg") "Q")
  case <- paste("late", model, data, sep = "|")
  add(case, names, th, sqrt(diag(V)), sqrt(diag(R)))
  add(case, "loglik", total(th))
  if (data == "right") {
    S <- function(t) sapply(t, function(one) if (model %in% c("hazard", "odds")) {
      z <- sum(basis(log(one), knots)$b * th[1:4]); if (model == "hazard") exp(-exp(z)) else plogis(-z)
    } else S_gg(one, th[1], exp(th[4]), switch(model, gg = th[5], weibull = 1, lognormal = 0)))
    area <- integrate(S, 0, 5, rel.tol = 1e-12, subdivisions = 2000)$value +
      integrate(S, 5, 30, rel.tol = 1e-12, subdivisions = 2000)$value
    add(case, "rmst30", area)
    add(case, "median", uniroot(function(t) S(t) - 0.5, c(0.1, 200), tol = 1e-13)$root)
  }
}
exact <- function(frame) { for (name in names(frame)) if (is.numeric(frame[[name]]))
  frame[[name]] <- ifelse(is.na(frame[[name]]), "", sprintf("%.17g", frame[[name]])); frame }
write.csv(exact(do.call(rbind, out)), "expected.csv", row.names = FALSE, quote = FALSE)

# --- Turnbull without delayed entry ----------------------------------------------------------------------------
fit <- survfit(Surv(ifelse(d$lower <= 0, NA, d$lower), ifelse(is.finite(d$upper), d$upper, NA), type = "interval2") ~ 1,
               weights = d$w)
write.csv(exact(data.frame(time = fit$time, surv = fit$surv)), "turnbull.csv", row.names = FALSE, quote = FALSE)
writeLines(c(R.version.string, paste("survival", packageVersion("survival"))), "versions.txt")
