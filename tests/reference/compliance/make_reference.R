# Reference figures for two-stage least squares. Run in this folder:
#   python make_data.py && python ../public/export_data.py FOLDER && Rscript make_reference.R FOLDER
# Reads trial.csv and FOLDER/jobs.csv (JOBS II, not kept here); writes expected.csv, sets.csv and strength.csv
# (17 significant digits) and versions.txt.
suppressPackageStartupMessages({
  library(estimatr)
  library(clubSandwich)
  library(AER)
})
options(warn = 1)
folder <- commandArgs(trailingOnly = TRUE)[1]

d <- read.csv("trial.csv", stringsAsFactors = FALSE)
d$x2 <- factor(d$x2)
d$arm <- factor(d$arm)

out <- list()
sets <- list()
strength <- list()
keep <- function(case, m, term, p = m$p.value[[term]]) {
  estimate <- m$coefficients[[term]]; se <- m$std.error[[term]]; df <- m$df[[term]]
  half <- qt(0.975, df) * se
  out[[length(out) + 1]] <<- data.frame(case = case, estimate = estimate, std_error = se, df = df, p_value = p,
    conf_low = estimate - half, conf_high = estimate + half)
}

# Columns of a trial's regression besides the arm: as in lm_lin, the centred ones times the arm where they interact.
controls <- function(data, z, adjust, strata, weights) {
  parts <- list()
  if (adjust != "none") parts$x <- model.matrix(~ x1 + x2, data)[, -1, drop = FALSE]
  if (strata) parts$b <- model.matrix(~ factor(stratum), data)[, -1, drop = FALSE]
  if (length(parts) == 0) return(NULL)
  x <- do.call(cbind, parts)
  if (adjust != "ancova") {
    x <- sweep(x, 2, colSums(x * weights) / sum(weights), "-")
    x <- cbind(x, x * data[[z]])
  }
  colnames(x) <- paste0("c", seq_len(ncol(x)))
  x
}

# The value of tau at which the robust t test of the arm, with outcome y - tau d, just rejects.
t_of <- function(tau, e, rhs, args) {
  e$shifted <- e$yy - tau * e$dd
  m <- do.call(lm_robust, c(list(as.formula(paste("shifted ~", rhs)), data = e), args))
  c(m$statistic[["zz"]], m$df[["zz"]], m$p.value[["zz"]])
}
excess <- function(tau, e, rhs, args) {
  found <- t_of(tau, e, rhs, args)
  abs(found[1]) - qt(0.975, found[2])
}
ends <- function(case, e, rhs, args, estimate, se) {
  # look on a grid of tangents, which reaches far out on both sides, for where the test changes its mind
  grid <- estimate + se * tan(seq(-1.5697, 1.5697, length.out = 801))
  over <- sapply(grid, excess, e = e, rhs = rhs, args = args)
  changes <- which(diff(sign(over)) != 0)
  roots <- sapply(changes, function(i) uniroot(excess, grid[i + 0:1], e = e, rhs = rhs, args = args,
    tol = 1e-13, maxiter = 10000)$root)
  inside <- if (over[1] < 0) "outside" else "between"
  stopifnot(length(roots) %in% c(0, 2))
  at0 <- t_of(0, e, rhs, args)
  sets[[length(sets) + 1]] <<- data.frame(case = case, shape = if (length(roots) == 0) "line" else inside,
    low = if (length(roots)) roots[1] else -Inf, high = if (length(roots)) roots[2] else Inf,
    statistic = at0[1], df = at0[2], p_value = at0[3])
}

both <- function(case, outcome, receipt, weighted, clustered, adjust, strata, z = "z", se_type = NULL, invert = TRUE) {
  e <- d[!is.na(d[[outcome]]) & !is.na(d[[receipt]]), ]
  e$yy <- e[[outcome]]; e$dd <- e[[receipt]]; e$zz <- e[[z]]
  x <- controls(e, z, adjust, strata, if (weighted) e$w else rep(1, nrow(e)))
  if (!is.null(x)) e <- cbind(e, x)
  args <- list(se_type = if (!is.null(se_type)) se_type else if (clustered) "CR2" else "HC2")
  if (weighted) args$weights <- quote(w)
  if (clustered) args$clusters <- quote(cluster)
  rest <- if (is.null(x)) "" else paste(" +", paste(colnames(x), collapse = " + "))
  m <- do.call(iv_robust, c(list(as.formula(paste0("yy ~ dd", rest, " | zz", rest)), data = e), args))
  keep(paste0("cace/", case), m, "dd")
  first <- do.call(lm_robust, c(list(as.formula(paste0("dd ~ zz", rest)), data = e), args))
  keep(paste0("first/", case), first, "zz")
  diagnosed <- do.call(iv_robust, c(list(as.formula(paste0("yy ~ dd", rest, " | zz", rest)), data = e,
    diagnostics = TRUE), args))$diagnostic_first_stage_fstatistic
  strength[[length(strength) + 1]] <<- data.frame(case = case, f = diagnosed[["value"]], df = first$df[["zz"]],
    p_value = pf(diagnosed[["value"]], 1, first$df[["zz"]], lower.tail = FALSE))
  if (invert) ends(case, e, paste0("zz", rest), args, m$coefficients[["dd"]], m$std.error[["dd"]])
  invisible(list(e = e, m = m, rest = rest))
}

tag <- function(weighted, clustered) paste0(if (weighted) "w" else "u", "/", if (clustered) "cr2" else "hc2")
for (receipt in c("one", "two")) for (outcome in c("y", "y2")) for (weighted in c(FALSE, TRUE)) {
  for (clustered in c(FALSE, TRUE)) for (adjust in c("none", "ancova", "lin")) for (strata in c(FALSE, TRUE)) {
    case <- paste(receipt, outcome, tag(weighted, clustered), adjust, if (strata) "strata" else "plain", sep = "/")
    both(case, outcome, receipt, weighted, clustered, adjust, strata, invert = outcome == "y")
  }
}
for (weighted in c(FALSE, TRUE)) for (clustered in c(FALSE, TRUE)) for (adjust in c("none", "ancova", "lin")) {
  both(paste("weak", tag(weighted, clustered), adjust, sep = "/"), "y", "weak", weighted, clustered, adjust, FALSE)
  both(paste("gap", tag(weighted, clustered), adjust, sep = "/"), "y", "gap", weighted, clustered, adjust, TRUE,
    invert = FALSE)
}
for (kind in c("HC0", "HC1", "HC3")) for (weighted in c(FALSE, TRUE)) {
  both(paste("hc", kind, if (weighted) "w" else "u", sep = "/"), "y", "two", weighted, FALSE, "ancova", TRUE,
    se_type = kind, invert = FALSE)
}
for (weighted in c(FALSE, TRUE)) {
  both(paste("assigned", if (weighted) "w" else "u", sep = "/"), "y", "onec", weighted, TRUE, "ancova", TRUE, z = "zc")
}

# --- three arms: one instrument at a time, the other arms' indicators among the exogenous columns -------------
d$B <- as.numeric(d$arm == "B")
d$C <- as.numeric(d$arm == "C")
for (clustered in c(FALSE, TRUE)) for (label in c("B", "C")) {
  other <- setdiff(c("B", "C"), label)
  args <- list(data = d, se_type = if (clustered) "CR2" else "HC2")
  if (clustered) args$clusters <- quote(cluster)
  f <- as.formula(paste0("y ~ armed + ", other, " + x1 | ", label, " + ", other, " + x1"))
  keep(paste("arms", tag(FALSE, clustered), label, sep = "/"), do.call(iv_robust, c(list(f), args)), "armed")
}

# --- another package: ivreg of AER with clubSandwich -------------------------------------------------------------
seen <- d[!is.na(d$y), ]
for (receipt in c("one", "two")) {
  seen$dd <- seen[[receipt]]
  m <- ivreg(y ~ dd + x1 + x2 | z + x1 + x2, data = seen)
  t <- coef_test(m, vcov = "CR2", cluster = seen$cluster, test = "Satterthwaite")["dd", ]
  out[[length(out) + 1]] <- data.frame(case = paste0("clubsandwich/", receipt), estimate = t$beta, std_error = t$SE,
    df = t$df_Satt, p_value = t$p_Satt, conf_low = t$beta - qt(0.975, t$df_Satt) * t$SE,
    conf_high = t$beta + qt(0.975, t$df_Satt) * t$SE)
}
# HTZ for one instrument is the squared CR2 t on Satterthwaite degrees of freedom
for (receipt in c("one", "two")) {
  seen$dd <- seen[[receipt]]
  m <- lm(dd ~ z + x1 + x2, data = seen)
  w <- Wald_test(m, constraints = constrain_zero("z", coefs = coef(m)), vcov = "CR2", cluster = seen$cluster, test = "HTZ")
  strength[[length(strength) + 1]] <- data.frame(case = paste0("htz/", receipt), f = w$Fstat, df = w$df_denom,
    p_value = w$p_val)
}

# --- JOBS II -----------------------------------------------------------------------------------------------------
jobs <- read.csv(file.path(folder, "jobs.csv"), stringsAsFactors = FALSE)
jobs$working <- as.numeric(jobs$work1 == "psyemp")
jobs$took <- as.numeric(jobs$comply == 1 | jobs$comply == "1")
for (name in c("occp", "marital", "nonwhite", "educ", "income")) jobs[[name]] <- factor(jobs[[name]])
x <- " + econ_hard + depress1 + sex + age + occp + marital + nonwhite + educ + income"
for (outcome in c("depress2", "job_seek", "working")) for (adjust in c("none", "ancova")) {
  rest <- if (adjust == "none") "" else x
  m <- iv_robust(as.formula(paste0(outcome, " ~ took", rest, " | treat", rest)), data = jobs, se_type = "HC2")
  keep(paste("jobs", adjust, outcome, sep = "/"), m, "took")
}
taken <- with(jobs, c(sum(took[treat == 1]), sum(treat), sum(took[treat == 0]), sum(1 - treat)))
wilson <- prop.test(taken[1], taken[2], correct = FALSE)
out[[length(out) + 1]] <- data.frame(case = "jobs/take-up", estimate = taken[1] / taken[2], std_error = taken[1],
  df = taken[2], p_value = taken[3], conf_low = wilson$conf.int[1], conf_high = wilson$conf.int[2])

write <- function(rows, name) {
  table <- do.call(rbind, rows)
  for (column in names(table)) if (is.numeric(table[[column]])) table[[column]] <- sprintf("%.17g", table[[column]])
  write.csv(table, name, row.names = FALSE, quote = FALSE)
}
write(out, "expected.csv")
write(sets, "sets.csv")
write(strength, "strength.csv")
packages <- c("estimatr", "clubSandwich", "AER")
data <- readLines(file.path(folder, "versions.txt"))
writeLines(c(R.version.string, paste(packages, sapply(packages, function(p) as.character(packageVersion(p)))), data),
  "versions.txt")
