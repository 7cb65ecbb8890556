# Reference values of power, from base R (power.t.test, power.prop.test, both with strict = TRUE, so that both tails
# count) and the package pwr (pwr.t.test, pwr.t2n.test). For power.prop.test the columns effect and sd hold the rates of
# the treated and of the controls. Remake from this folder with: Rscript power.R > power.csv
suppressMessages(library(pwr))
out <- function(case, quantity, effect, sd, n1, n0, alpha, power)
  cat(case, quantity, sprintf("%.17g", c(effect, sd, n1, n0, alpha, power)), sep = ",", fill = 1000)

cat("case,quantity,effect,sd,n1,n0,alpha,power\n")
for (n in c(3, 5, 10, 30, 64, 250, 5000)) for (effect in c(0.05, 0.2, 0.5, 1.25)) for (alpha in c(0.05, 0.1, 0.01)) {
  p <- power.t.test(n = n, delta = effect, sd = 1, sig.level = alpha, strict = TRUE)$power
  out("power.t.test", "power", effect, 1, n, n, alpha, p)
  out("pwr.t.test", "power", effect, 1, n, n, alpha, pwr.t.test(n = n, d = effect, sig.level = alpha)$power)
}
for (pair in list(c(10, 30), c(25, 400), c(120, 60), c(899, 300))) for (effect in c(0.1, 0.4, 0.8))
  out("pwr.t2n.test", "power", effect, 1, pair[1], pair[2], 0.05, pwr.t2n.test(pair[1], pair[2], d = effect)$power)
for (n in c(20, 100, 450)) for (wanted in c(0.8, 0.9)) for (sd in c(1, 7500)) {
  delta <- power.t.test(n = n, sd = sd, power = wanted, strict = TRUE, tol = 1e-12)$delta
  out("power.t.test", "delta", delta, sd, n, n, 0.05, wanted)
}
for (effect in c(0.1, 0.25, 0.6)) for (wanted in c(0.8, 0.9)) {
  n <- power.t.test(delta = effect, sd = 1, power = wanted, strict = TRUE, tol = 1e-12)$n
  out("power.t.test", "n", effect, 1, n, n, 0.05, wanted)
}
for (n in c(20, 100, 450, 3000)) for (rates in list(c(0.20, 0.25), c(0.5, 0.4), c(0.02, 0.05), c(0.9, 0.97))) for (alpha in c(0.05, 0.01)) {
  p <- power.prop.test(n = n, p1 = rates[1], p2 = rates[2], sig.level = alpha, strict = TRUE)$power
  cat("power.prop.test", "power", sprintf("%.17g", c(rates[2], rates[1], n, n, alpha, p)), sep = ",", fill = 1000)
}
writeLines(c(R.version.string, paste("platform", R.version$platform), paste("pwr", packageVersion("pwr"))), "versions.txt")
