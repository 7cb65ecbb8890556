# Reference figures for binary outcomes. Run in this folder: Rscript make_reference.R
# Reads ../linear/trial.csv (synthetic); writes expected.csv (17 significant digits), firth.csv and versions.txt.
suppressPackageStartupMessages({
  library(sandwich)
  library(clubSandwich)
  library(survey)
  library(numDeriv)
  library(brglm2)
})
options(survey.lonely.psu = "fail", warn = 1)

d <- read.csv("../linear/trial.csv", stringsAsFactors = FALSE)
d$x2 <- factor(d$x2, levels = c("low", "high", "mid"))
d$b <- factor(d$stratum)
d$arm <- factor(d$arm)
d$u <- 1
a <- d[!is.na(d$y2), ]

out <- list()
# `scale` "log": the working estimate is a log ratio, shown as the ratio with its delta-method error
keep <- function(case, estimate, se, df, scale = "log") {
  p <- 2 * pt(-abs(estimate / se), df)
  limits <- estimate + c(-1, 1) * qt(0.975, df) * se
  if (scale == "log") {
    se <- exp(estimate) * se
    estimate <- exp(estimate)
    limits <- exp(limits)
  }
  out[[length(out) + 1]] <<- data.frame(
    case = case, estimate = estimate, std_error = se, df = df, p_value = p,
    conf_low = limits[1], conf_high = limits[2]
  )
}
tag <- function(...) paste(..., sep = "/")
expit <- plogis
control <- glm.control(epsilon = 1e-15, maxit = 100)
logit <- function(f, data, w) {
  suppressWarnings(eval(bquote(
    glm(.(f), data = data, family = quasibinomial(), weights = .(as.name(w)), control = control)
  )))
}

# --- conditional odds ratios ----------------------------------------------------------------------------
f <- y2 ~ x1 + x2 + z
shown <- c("x1", "x2high", "x2mid", "z")
plain <- glm(f, data = a, family = binomial(), control = control)
for (term in shown) {
  keep(tag("odds/model", term), coef(plain)[[term]], sqrt(vcov(plain)[term, term]), Inf)
  for (kind in c("HC0", "HC1", "HC2", "HC3")) {
    keep(tag("odds", kind, term), coef(plain)[[term]], sqrt(vcovHC(plain, type = kind)[term, term]), df.residual(plain))
  }
}
# CR2 is that of the linear regression in which the fit ends, with independent errors as its working model, as for the
# weighted regressions of ../linear. clubSandwich's own CR2 of a glm takes another root of the same matrix; it is kept
# beside ("club") to see how far apart they are.
working <- function(m, w) {
  v <- fitted(m) * (1 - fitted(m))
  columns <- structure(model.matrix(m) * sqrt(v), dimnames = list(NULL, names(coef(m))))
  list(columns = columns, response = drop(columns %*% coef(m)) + (m$y - fitted(m)) / sqrt(v), w = w, v = v)
}
linear <- function(parts, turn = diag(ncol(parts$columns))) {
  turned <- parts$columns %*% solve(turn)
  colnames(turned) <- paste0("_", seq_len(ncol(turned)))
  response <- parts$response
  w <- parts$w
  lm(response ~ 0 + turned, weights = w)
}
for (weight in c("u", "w")) {
  m <- logit(f, a, weight)
  parts <- working(m, a[[weight]])
  stopifnot(all.equal(unname(coef(linear(parts))), unname(coef(m)), tolerance = 1e-10))
  tests <- list(CR2 = coef_test(linear(parts), vcov = "CR2", cluster = a$cluster, test = "Satterthwaite"))
  own <- vcovCR(m, cluster = a$cluster, type = "CR2", target = parts$v, inverse_var = FALSE)
  tests$club <- coef_test(m, vcov = own, test = "Satterthwaite")
  for (kind in names(tests)) for (term in shown) {
    j <- match(term, names(coef(m)))
    keep(tag("odds", kind, weight, term), coef(m)[[term]], tests[[kind]][j, "SE"], tests[[kind]][j, "df_Satt"])
  }
  if (weight == "w") for (term in shown) {
    keep(tag("odds/HC0/w", term), coef(m)[[term]], sqrt(vcovHC(m, type = "HC0")[term, term]), df.residual(m))
  }
}

# --- design-based: svyglm(quasibinomial); strata of the design are also in the model ------------------------
designs <- list()
for (weight in c("u", "w")) for (unit in c("person", "psu")) for (strata in c(FALSE, TRUE)) {
  args <- list(
    ids = if (unit == "psu") ~cluster else ~1, weights = as.formula(paste0("~", weight)), data = d,
    strata = if (strata) ~b else NULL
  )
  designs[[tag(weight, unit, if (strata) "strata" else "plain")]] <- do.call(svydesign, args)
}
for (name in names(designs)) {
  g <- if (grepl("strata", name)) update(f, . ~ . + b) else f
  des <- subset(designs[[name]], !is.na(y2))
  m <- eval(bquote(svyglm(.(g), design = des, family = quasibinomial(), control = control)))
  for (term in shown) {
    keep(tag("odds/svyglm", name, term), coef(m)[[term]], sqrt(vcov(m)[term, term]), m$df.residual)
  }
}

# --- averages over people: stacked estimating equations ------------------------------------------------------
# psi(theta) has one row a person: the scores of the logistic model, then what is averaged less its mean.
# Influence values are -A^-1 psi_i with A the numerical derivative of the column sums.
stacked <- function(X, y, w, beta, average) {
  m <- length(average(beta))
  psi <- function(theta) {
    b <- theta[seq_along(beta)]
    p <- expit(drop(X %*% b))
    each <- attr(average(b), "each")
    w * cbind(X * (y - p), sweep(each, 2, theta[-seq_along(beta)]))
  }
  theta <- c(beta, average(beta))
  A <- jacobian(function(t) colSums(psi(t)), theta, method.args = list(eps = 1e-4, r = 6))
  -psi(theta) %*% t(solve(A))
}
averaged <- function(each, w) structure(colSums(each * w) / sum(w), each = each)
# The same influence values in closed form, with a factor of each person on the part that comes through beta
closed <- function(X, m, w, gradient, each, factor) {
  average <- sweep(each, 2, colSums(each * w) / sum(w)) * w / sum(w)
  through <- (estfun(m) * factor) %*% bread(m) / nobs(m)
  average + through %*% gradient
}
spread <- function(influence, clusters = NULL) {
  if (!is.null(clusters)) influence <- rowsum(influence, clusters)
  crossprod(influence)
}
# V/SE by survey's own variance of a total, for influence values of people with y2 in a design of everybody
by_design <- function(influence, design) {
  z <- matrix(0, nrow(d), ncol(influence))
  z[!is.na(d$y2), ] <- influence / weights(design)[!is.na(d$y2)]
  vcov(svytotal(z, design))
}

# marginal effects of the model above
effects <- function(X, beta) {
  level <- function(name) {
    as_if <- X
    as_if[, c("x2high", "x2mid")] <- 0
    if (name != "") as_if[, name] <- 1
    expit(drop(as_if %*% beta))
  }
  arm <- function(z) { as_if <- X; as_if[, "z"] <- z; expit(drop(as_if %*% beta)) }
  p <- expit(drop(X %*% beta))
  cbind(x1 = p * (1 - p) * beta[["x1"]], x2high = level("x2high") - level(""), x2mid = level("x2mid") - level(""), z = arm(1) - arm(0))
}
for (weight in c("u", "w")) {
  m <- logit(f, a, weight)
  X <- model.matrix(m)
  w <- a[[weight]]
  average <- function(b) averaged(effects(X, setNames(b, colnames(X))), w)
  influence <- stacked(X, a$y2, w, coef(m), average)[, -seq_along(coef(m))]
  value <- average(coef(m))
  keep_all <- function(name, V, df) for (j in 1:4) {
    keep(tag("effects", name, weight, shown[j]), value[[j]], sqrt(V[j, j]), df, "identity")
  }
  keep_all("HC0", spread(influence), nrow(a) - ncol(X))
  for (unit in c("person", "psu")) {
    des <- designs[[tag(weight, unit, "plain")]]
    df <- degf(subset(des, !is.na(y2))) + 1 - ncol(X)
    keep_all(tag("svy", unit), by_design(influence, des), df)
  }
}

# --- marginal risks of a trial ----------------------------------------------------------------------------
risk_rows <- function(case, mu, V, df) {
  slopes <- list(
    difference = c(-1, 1), risk_ratio = c(-1, 1) / mu, odds_ratio = c(-1, 1) / (mu * (1 - mu))
  )
  value <- c(mu[2] - mu[1], log(mu[2] / mu[1]), qlogis(mu[2]) - qlogis(mu[1]))
  for (j in 1:3) {
    s <- slopes[[j]]
    freedom <- if (is.function(df)) df(s) else df
    keep(tag(case, names(slopes)[j]), value[j], sqrt(drop(s %*% V %*% s)), freedom, if (j == 1) "identity" else "log")
  }
}
trial <- function(weight, adjustment, strata, arm_column, arms) {
  data <- a
  data$t <- factor(data[[arm_column]], levels = arms)
  extra <- if (strata) "x1 + x2 + b" else "x1 + x2"
  g <- as.formula(paste("y2 ~ t", if (adjustment == "lin") "*" else "+", "(", extra, ")"))
  m <- logit(g, data, weight)
  X <- model.matrix(m)
  w <- data[[weight]]
  as_if <- lapply(arms, function(arm) {
    data$t <- factor(arm, levels = arms)
    model.matrix(delete.response(terms(m)), data)
  })
  each <- function(b) sapply(as_if, function(Z) expit(drop(Z %*% b)))
  gradient <- sapply(as_if, function(Z) {
    p <- expit(drop(Z %*% coef(m)))
    colSums(w * p * (1 - p) * Z) / sum(w)
  })
  list(m = m, X = X, w = w, each = each, gradient = gradient, mu = colSums(w * each(coef(m))) / sum(w))
}
for (weight in c("u", "w")) for (adjustment in c("ancova", "lin")) for (strata in c(FALSE, TRUE)) {
  t <- trial(weight, adjustment, strata, "z", c(0, 1))
  name <- tag("trial", weight, adjustment, if (strata) "strata" else "plain")
  n <- nrow(t$X)
  k <- ncol(t$X)
  influence <- stacked(t$X, a$y2, t$w, coef(t$m), function(b) averaged(t$each(b), t$w))[, k + 1:2]
  stopifnot(all.equal(influence, closed(t$X, t$m, t$w, t$gradient, t$each(coef(t$m)), 1), tolerance = 1e-7,
    check.attributes = FALSE))
  risk_rows(tag(name, "HC0"), t$mu, spread(influence), n - k)
  hc2 <- closed(t$X, t$m, t$w, t$gradient, t$each(coef(t$m)), 1 / sqrt(1 - hatvalues(t$m)))
  risk_rows(tag(name, "HC2"), t$mu, spread(hc2), n - k)
  for (unit in c("person", "psu")) {
    des <- designs[[tag(weight, unit, if (strata) "strata" else "plain")]]
    df <- degf(subset(des, !is.na(y2))) + 1 - k
    if (df > 0) risk_rows(tag(name, "svy", unit), t$mu, by_design(influence, des), df)
  }
  # CR2: adjusted scores of each cluster in the working regression, and what the cluster adds to the average
  parts <- working(t$m, t$w)
  robust <- vcovCR(linear(parts), cluster = a$cluster, type = "CR2")
  through <- t(vcovCR(linear(parts), cluster = a$cluster, type = "CR2", form = "estfun"))
  stopifnot(all.equal(crossprod(through), as.matrix(robust), tolerance = 1e-10, check.attributes = FALSE))
  average <- closed(t$X, t$m, t$w, t$gradient, t$each(coef(t$m)), 0)
  sums <- rowsum(average, droplevels(factor(a$cluster))) + through %*% t$gradient
  # Degrees of freedom of a contrast: of one coefficient, when the columns are turned so that the contrast is one
  satterthwaite <- function(s) {
    contrast <- drop(t$gradient %*% s)
    largest <- which.max(abs(contrast))
    again <- linear(parts, rbind(contrast, diag(k)[-largest, ]))
    test <- coef_test(again, vcov = "CR2", cluster = a$cluster, test = "Satterthwaite")
    stopifnot(all.equal(test[1, "SE"]^2, drop(contrast %*% robust %*% contrast), tolerance = 1e-8))
    test[1, "df_Satt"]
  }
  risk_rows(tag(name, "CR2"), t$mu, crossprod(sums), satterthwaite)
}
# three arms: A is control, B and C are treated
for (weight in c("u", "w")) {
  t <- trial(weight, "ancova", FALSE, "arm", c("A", "B", "C"))
  k <- ncol(t$X)
  influence <- stacked(t$X, a$y2, t$w, coef(t$m), function(b) averaged(t$each(b), t$w))[, k + 1:3]
  V <- spread(influence)
  for (arm in 2:3) {
    use <- c(1, arm)
    risk_rows(tag("three", weight, c("A", "B", "C")[arm]), t$mu[use], V[use, use], nrow(t$X) - k)
  }
}

# --- Firth: brglm2's bias reduction, which for a logistic model is Firth's penalty ----------------------------
a$separated <- ifelse(a$x2 == "high", 1, a$y2)
firth <- list()
for (response in c("y2", "separated")) {
  m <- glm(as.formula(paste(response, "~ x1 + x2 + z")), data = a, family = binomial(), method = "brglmFit",
    type = "AS_mean", control = list(epsilon = 1e-14, maxit = 5000, slowit = 1))
  for (term in names(coef(m))[-1]) {
    firth[[length(firth) + 1]] <- data.frame(
      case = tag(response, term), log_odds_ratio = coef(m)[[term]], std_error = sqrt(vcov(m)[term, term])
    )
  }
}

write_figures <- function(rows, file) {
  table <- do.call(rbind, rows)
  for (name in names(table)[-1]) table[[name]] <- formatC(table[[name]], digits = 17, format = "g")
  write.csv(table, file, row.names = FALSE, quote = FALSE)
}
write_figures(out, "expected.csv")
write_figures(firth, "firth.csv")
writeLines(c(
  R.version.string,
  sapply(c("sandwich", "clubSandwich", "survey", "numDeriv", "brglm2"), function(p) paste(p, packageVersion(p)))
), "versions.txt")
