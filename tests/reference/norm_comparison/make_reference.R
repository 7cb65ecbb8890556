# The published comparison worked in R on made-up clients and episodes (people.csv, episodes.csv): norms as medians by
# cell, wilcox.test, chisq.test, glm. Run in this folder: Rscript make_reference.R. Writes expected.csv, versions.txt.
suppressMessages(library(survival))
people <- read.csv("people.csv"); episodes <- read.csv("episodes.csv")
p <- function(x) sprintf("%.17g", as.numeric(x))
rows <- list()
add <- function(outcome, term, name, value) {
  rows[[length(rows) + 1]] <<- data.frame(outcome = outcome, term = term, name = name, value = p(value))
}
cell <- function(d) paste(d$area, d$diagnosis)
long <- episodes[episodes$days > 28, ]
norm <- tapply(episodes$days, cell(episodes), median); adjusted <- tapply(long$days, cell(long), median)
whole <- tapply(episodes$days, episodes$area, median); whole_adjusted <- tapply(long$days, long$area, median)
people$norm <- norm[cell(people)]; people$adjusted <- adjusted[cell(people)]
people$whole <- whole[people$area]; people$whole_adjusted <- whole_adjusted[people$area]
people$since <- people$absent - people$entry
back <- people[!is.na(people$returned) & people$returned == 1, ]
compare <- function(outcome, lengths, own, whole) {
  all <- rep(TRUE, nrow(back))
  groups <- c(lapply(c(anxiety = "anxiety", back = "back"), function(g) back$diagnosis == g))
  names(groups) <- paste0("diagnosis[", names(groups), "]")
  groups[["all recorded diagnoses"]] <- all
  for (term in names(groups)) {
    inside <- groups[[term]]
    against <- if (term == "all recorded diagnoses") whole else own
    d <- (lengths - against)[inside]
    add(outcome, term, "n", sum(inside)); add(outcome, term, "median", median(lengths[inside]))
    add(outcome, term, "norm_median", median(against[inside]))
    add(outcome, term, "signed_rank", suppressWarnings(wilcox.test(d, exact = FALSE, correct = FALSE))$p.value)
    add(outcome, term, "proportion", mean((lengths < own)[inside]))
  }
  for (name in c("sex", "age_group")) {
    test <- suppressWarnings(chisq.test(table(back[[name]], lengths < own), correct = FALSE))
    add(outcome, name, "chi_square", test$p.value)
  }
  models(outcome, cbind(back, y = as.numeric(lengths < own)))
}
models <- function(outcome, data) {
  fit <- glm(y ~ diagnosis + sex, family = binomial, data = data, control = list(epsilon = 1e-14, maxit = 100))
  s <- summary(fit)$coefficients
  for (term in c("diagnosisback", "sexwoman")) {
    label <- if (term == "diagnosisback") "diagnosis[back]" else "sex[woman]"
    add(outcome, label, "odds_ratio", exp(s[term, 1])); add(outcome, label, "odds_p", s[term, 4])
    add(outcome, label, "odds_low", exp(s[term, 1] - qnorm(0.975) * s[term, 2]))
  }
}
compare("total episode", back$absent, back$norm, back$whole)
compare("partial episode", back$since, back$adjusted, back$whole_adjusted)
known <- people[!is.na(people$returned), ]
known$y <- known$returned
for (name in c("sex", "age_group")) {
  add("any return to work", name, "chi_square", chisq.test(table(known[[name]], known$y), correct = FALSE)$p.value)
}
models("any return to work", known)
# pieces of the ledger
since <- round(known$since, 6)
km <- function(stop, event, start = 0) {
  unname(summary(survfit(Surv(start, stop, event) ~ 1))$table["median"])
}
add("bias ledger", "returners only", "bias",
  unname(summary(survfit(Surv(since, known$returned) ~ 1))$table["median"]) - median(back$since))
own <- mapply(function(cell_name, e) median(episodes$days[cell(episodes) == cell_name & episodes$days > e]),
  cell(back), back$entry)
add("bias ledger", "still absent at assessment", "bias", mean(back$norm - own))
add("bias ledger", "the same four weeks for everybody", "bias", mean((back$adjusted - 28) - (own - back$entry)))
by_curve <- sapply(split(episodes, cell(episodes)), function(d) km(d$days, d$ended, d$running))
add("bias ledger", "window, whole absence", "bias", mean(back$norm - by_curve[cell(back)]))
late <- sapply(split(long, cell(long)), function(d) km(d$days, d$ended, pmax(d$running, 28)))
add("bias ledger", "window, after assessment", "bias", mean(back$adjusted - late[cell(back)]))
jack <- function(shift) {
  total <- 0
  for (area in unique(episodes$area)) {
    kept <- sapply(unique(episodes$practice[episodes$area == area]), function(g) {
      d <- episodes[episodes$practice != g & episodes$days > shift, ]
      mean(tapply(d$days, cell(d), median)[cell(back)])
    })
    total <- total + (length(kept) - 1) / length(kept) * sum((kept - mean(kept))^2)
  }
  sqrt(total)
}
add("bias ledger", "norm taken as known, whole absence", "bias", jack(0))
add("bias ledger", "norm taken as known, after assessment", "bias", jack(28))
write.csv(do.call(rbind, rows), "expected.csv", row.names = FALSE)
writeLines(c(R.version.string, paste("survival", packageVersion("survival"))), "versions.txt")
