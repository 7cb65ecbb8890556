# Reference figures for attrition. Run in this folder: Rscript make_reference.R
# Reads trial.csv and imputations.csv; writes expected.csv (17 significant digits) and versions.txt.
suppressPackageStartupMessages({
  library(survey)
  library(mice)
})
options(warn = 1)
d <- read.csv("trial.csv", stringsAsFactors = FALSE)
d$r <- as.integer(!is.na(d$score))
d$south <- as.integer(d$site == "south")
out <- list()
keep <- function(case, estimate, std_error = NA, df = NA) {
  out[[length(out) + 1]] <<- data.frame(case = case, estimate = estimate, std_error = std_error, df = df)
}

# --- inverse probability weighting -----------------------------------------------------------------------------------
# Response: glm by arm on age, woman and site. Effect: svyglm of the outcome on z, site and their product, site centred
# at its mean over everybody assigned. `known` errors take the weights as known (linearised, n / (n - 1) removed);
# `estimated` errors are the sandwich of the stacked estimating equations, with the derivative taken numerically.
ipw <- function(outcome, design_weighted) {
  d$dw <- if (design_weighted) d$w else rep(1, nrow(d))
  d$p <- NA
  gamma <- list()
  for (arm in 0:1) {
    rows <- d$z == arm
    model <- suppressWarnings(glm(r ~ age + woman + south, family = binomial, data = d[rows, ], weights = dw,
      control = glm.control(epsilon = 1e-14, maxit = 100)))
    d$p[rows] <- fitted(model)
    gamma[[arm + 1]] <- coef(model)
  }
  d$ipw <- d$dw / d$p
  d$s <- d$south - weighted.mean(d$south, d$dw)
  seen <- d[d$r == 1, ]
  seen$y <- seen[[outcome]]
  fit <- svyglm(y ~ z * s, design = svydesign(ids = ~1, weights = ~ipw, data = seen))
  tag <- paste("ipw", outcome, if (design_weighted) "weighted" else "plain", sep = "/")
  n <- nrow(seen)
  keep(paste0(tag, "/known"), coef(fit)[["z"]], SE(fit)[["z"]] * sqrt((n - 1) / n))
  Z <- cbind(1, d$age, d$woman, d$south)
  X <- cbind(1, d$z, d$s, d$z * d$s)
  y <- ifelse(d$r == 1, d[[outcome]], 0)
  equations <- function(theta) {
    beta <- theta[1:4]
    p <- ifelse(d$z == 0, plogis(Z %*% theta[5:8]), plogis(Z %*% theta[9:12]))
    u <- d$dw * (d$r - p)
    cbind(as.vector(d$r * d$dw / p * (y - X %*% beta)) * X, as.vector(u * (d$z == 0)) * Z, as.vector(u * (d$z == 1)) * Z)
  }
  at <- c(coef(fit), gamma[[1]], gamma[[2]])
  bread <- sapply(seq_along(at), function(k) {
    h <- 1e-5 * max(abs(at[k]), 1e-2)
    up <- at; up[k] <- up[k] + h
    down <- at; down[k] <- down[k] - h
    (colSums(equations(up)) - colSums(equations(down))) / (2 * h)
  })
  inverse <- solve(bread)
  keep(paste0(tag, "/estimated"), coef(fit)[["z"]], sqrt((inverse %*% crossprod(equations(at)) %*% t(inverse))[2, 2]))
}
for (outcome in c("score", "work")) for (weighted in c(FALSE, TRUE)) ipw(outcome, weighted)

# --- Lee bounds ------------------------------------------------------------------------------------------------------
# The formulas of Lee (2009), Propositions 1a and 3, without strata or weights: moments of the trimmed sample with the
# value at the cut counted in part. Each arm's sum of squares is scaled by n / (n - 1).
lee <- function(case, y, r, z) {
  n <- tapply(r, z, length); q <- tapply(r, z, mean)
  cut_arm <- if (q[["1"]] >= q[["0"]]) 1 else 0
  keep_share <- min(q) / max(q)
  p <- 1 - keep_share
  a <- y[r == 1 & z == cut_arm]; b <- y[r == 1 & z != cut_arm]
  ncut <- n[[as.character(cut_arm)]]; nother <- n[[as.character(1 - cut_arm)]]
  qcut <- q[[as.character(cut_arm)]]; qother <- q[[as.character(1 - cut_arm)]]
  one <- function(v) {
    v <- sort(v); target <- keep_share * length(v)
    whole <- floor(target + 1e-9)
    weight <- c(rep(1, whole), if (whole < length(v)) target - whole, rep(0, max(length(v) - whole - 1, 0)))
    weight <- weight[seq_along(v)]
    quantile <- v[max(which(weight > 1e-9))]
    mu <- sum(weight * v) / sum(weight)
    s2 <- sum(weight * (v - mu)^2) / sum(weight)
    own <- s2 / (ncut * qcut * keep_share) + (quantile - mu)^2 * p / (ncut * qcut * keep_share)
    rate_cut <- (quantile - mu)^2 * (1 - qcut) / (qcut * ncut)
    rate_other <- (quantile - mu)^2 * (1 - qother) / (qother * nother)
    c(mu, own + rate_cut, rate_other)
  }
  low <- one(a); high <- one(-a)
  variance_b <- mean((b - mean(b))^2) / length(b)
  total <- function(part) sqrt(part[2] * ncut / (ncut - 1) + (part[3] + variance_b) * nother / (nother - 1))
  if (cut_arm == 1) {
    keep(paste0(case, "/lower"), low[1] - mean(b), total(low))
    keep(paste0(case, "/upper"), -high[1] - mean(b), total(high))
  } else {
    keep(paste0(case, "/lower"), mean(b) + high[1], total(high))
    keep(paste0(case, "/upper"), mean(b) - low[1], total(low))
  }
}
lee("lee/score", d$score, d$r, d$z)
lee("lee/work", d$work, d$r, d$z)
lee("lee/score/swapped", d$score, d$r, 1 - d$z)

# --- Imbens and Manski's critical value --------------------------------------------------------------------------------
for (level in c(0.9, 0.95)) for (width in c(0, 0.1, 0.5, 1, 3, 20)) {
  root <- uniroot(function(c) pnorm(c + width) - pnorm(-c) - level, c(0, 10), tol = 1e-14)$root
  keep(sprintf("imbens_manski/%g/%g", level, width), root)
}

# --- Rubin's rules with Barnard and Rubin's degrees of freedom -----------------------------------------------------------
drawn <- read.csv("imputations.csv")
long <- do.call(rbind, lapply(0:20, function(k) {
  one <- d[, c("id", "z", "age", "woman", "south", "score")]
  if (k > 0) one$score[match(drawn$id, one$id)] <- drawn[[paste0("m", k)]]
  cbind(one, .imp = k, .id = one$id)
}))
pooled <- summary(pool(with(as.mids(long), lm(score ~ z + age))))
for (term in c("z", "age")) {
  row <- pooled[pooled$term == term, ]
  keep(paste0("pool/", term), row$estimate, row$std.error, row$df)
}

# --- multiple imputation by arm with mice's own draws: a Monte Carlo comparison --------------------------------------------
m <- 1000
for (method in c("norm", "pmm")) {
  parts <- lapply(0:1, function(arm) {
    one <- d[d$z == arm, c("score", "age", "woman", "south")]
    mice(one, m = m, method = c(method, "", "", ""), maxit = 1, seed = 7, printFlag = FALSE)
  })
  estimates <- within <- numeric(m)
  for (k in 1:m) {
    whole <- rbind(cbind(complete(parts[[1]], k), z = 0), cbind(complete(parts[[2]], k), z = 1))
    s <- whole$south - mean(whole$south)
    fit <- lm(score ~ z * s, data = cbind(whole, s))
    estimates[k] <- coef(fit)[["z"]]
    X <- model.matrix(fit); B <- solve(crossprod(X)); h <- rowSums((X %*% B) * X)
    within[k] <- (B %*% crossprod(X * resid(fit) / sqrt(1 - h)) %*% B)[2, 2]
  }
  keep(paste0("mice/", method), mean(estimates), sqrt(mean(within) + (1 + 1 / m) * var(estimates)))
  keep(paste0("mice/", method, "/between"), sd(estimates))
}

result <- do.call(rbind, out)
for (name in c("estimate", "std_error", "df")) {
  result[[name]] <- ifelse(is.na(result[[name]]), "", format(result[[name]], digits = 17, trim = TRUE))
}
for (name in c("estimate", "std_error", "df")) result[[name]] <- trimws(result[[name]])
write.csv(result, "expected.csv", row.names = FALSE, quote = FALSE)
writeLines(c(R.version.string, paste(c("survey", "mice"), sapply(c("survey", "mice"),
  function(p) as.character(packageVersion(p))))), "versions.txt")
