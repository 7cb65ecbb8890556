# Values of every EQ-5D profile, re-derived from the coefficients typed here, and the analyses of people.csv.
# Run in this folder: Rscript make_reference.R
suppressMessages(library(sandwich))

# --- value sets -------------------------------------------------------------------------------------------------
states <- function(levels) {
  g <- expand.grid(ad = 1:levels, pd = 1:levels, ua = 1:levels, sc = 1:levels, mo = 1:levels)
  as.matrix(g[, c("mo", "sc", "ua", "pd", "ad")])
}
additive <- function(s, terms) { v <- rep(1, nrow(s)); for (d in 1:5) v <- v + c(0, terms[[d]])[s[, d]]; v }

s3 <- states(3); s5 <- states(5)
uk3 <- additive(s3, list(c(-.069, -.314), c(-.104, -.214), c(-.036, -.094), c(-.123, -.386), c(-.071, -.236)))
uk3 <- uk3 - .081 * (apply(s3, 1, max) > 1) - .269 * (apply(s3, 1, max) == 3)
england <- additive(s5, list(c(-.058, -.076, -.207, -.274), c(-.050, -.080, -.164, -.203), c(-.050, -.063, -.162, -.184),
                             c(-.063, -.084, -.276, -.335), c(-.078, -.104, -.285, -.289)))
uk5 <- additive(s5, list(c(-.032, -.058, -.179, -.279), c(-.038, -.060, -.162, -.206), c(-.049, -.086, -.184, -.212),
                         c(-.056, -.066, -.371, -.479), c(-.041, -.126, -.313, -.391)))

# van Hout et al (2012): chance of 3L level 2 at 5L level 2, and of 3L level 3 at 5L level 4; 1, 3 and 5 are certain
p2 <- c(0.822652757079, 0.832653061224, 0.802184466019, 0.801131008483, 0.793396226415)
p4 <- c(0.072115384615, 0.243055555556, 0.328431372549, 0.399497487437, 0.490683229814)
chance <- function(d, level) switch(level, c(1, 0, 0), c(1 - p2[d], p2[d], 0), c(0, 1, 0), c(0, 1 - p4[d], p4[d]), c(0, 0, 1))
crosswalk <- apply(s5, 1, function(row) {
  w <- rep(1, nrow(s3)); for (d in 1:5) w <- w * chance(d, row[d])[s3[, d]]
  sum(w * uk3)
})
half_up <- function(x, places) sign(x) * floor(abs(x) * 10^places + 0.5 + 1e-9) / 10^places
published <- half_up(half_up(crosswalk, 4), 3)
name <- function(s) apply(s, 1, paste, collapse = "")
out <- function(x, places) formatC(x + 0, format = "f", digits = places)
write.csv(data.frame(profile = name(s3), uk_3l_1997 = out(round(uk3, 3), 3)), "values_3l.csv", row.names = FALSE, quote = FALSE)
write.csv(data.frame(profile = name(s5), england_5l_2018 = out(round(england, 3), 3), uk_5l_2026 = out(round(uk5, 3), 3),
                     crosswalk_uk_2012 = out(published, 3), crosswalk_exact = out(crosswalk, 12)),
          "values_5l.csv", row.names = FALSE, quote = FALSE)

# --- analyses ---------------------------------------------------------------------------------------------------
people <- read.csv("people.csv")
both <- people[!is.na(people$before) & !is.na(people$after), ]
level <- function(profile, d) (profile %/% 10^(5 - d)) %% 10
index <- uk5; names(index) <- name(s5)
rows <- list()
add <- function(outcome, term, what, value) rows[[length(rows) + 1]] <<- data.frame(outcome, term, what, value)
for (d in 1:5) {
  b <- level(both$before, d) > 1; a <- level(both$after, d) > 1
  table2 <- table(factor(b, c(FALSE, TRUE)), factor(a, c(FALSE, TRUE)))
  lost <- sum(b & !a); gained <- sum(!b & a); outcome <- colnames(s5)[d]
  add(outcome, "change", "estimate", mean(a - b)); add(outcome, "change", "std_error", sd(a - b) / sqrt(nrow(both)))
  add(outcome, "change", "p_value", t.test(a - b)$p.value)
  m <- mcnemar.test(table2, correct = FALSE)
  add(outcome, "mcnemar", "statistic", unname(m$statistic)); add(outcome, "mcnemar", "p_value", m$p.value)
  add(outcome, "mcnemar_exact", "p_value", binom.test(lost, lost + gained)$p.value)
  add(outcome, "entry", "estimate", mean(b)); add(outcome, "discharge", "estimate", mean(a))
}
fits <- function(outcome, b, a) {
  adjusted <- lm(a ~ I(both$arm == "IPS") + b)
  v <- vcovHC(adjusted, type = "HC2"); se <- sqrt(v[2, 2])
  add(outcome, "IPS", "estimate", unname(coef(adjusted)[2])); add(outcome, "IPS", "std_error", se)
  add(outcome, "IPS", "p_value", 2 * pt(-abs(coef(adjusted)[2] / se), adjusted$df.residual))
}
for (d in 1:5) fits(colnames(s5)[d], as.numeric(level(both$before, d) > 1), as.numeric(level(both$after, d) > 1))
sums <- function(profile) rowSums(sapply(1:5, function(d) level(profile, d)))
ib <- index[as.character(both$before)]; ia <- index[as.character(both$after)]
for (pair in list(list("sum", sums(both$before), sums(both$after)), list("index", unname(ib), unname(ia)))) {
  b <- pair[[2]]; a <- pair[[3]]; t <- t.test(a, b, paired = TRUE)
  add(pair[[1]], "change", "estimate", mean(a - b)); add(pair[[1]], "change", "p_value", t$p.value)
  add(pair[[1]], "change", "conf_low", t$conf.int[1]); add(pair[[1]], "change", "conf_high", t$conf.int[2])
  add(pair[[1]], "entry", "estimate", mean(b)); add(pair[[1]], "discharge", "estimate", mean(a))
  fits(pair[[1]], b, a)
}
lb <- sapply(1:5, function(d) level(both$before, d)); la <- sapply(1:5, function(d) level(both$after, d))
better <- apply(la < lb, 1, any); worse <- apply(la > lb, 1, any); well <- both$before == 11111 & both$after == 11111
class <- ifelse(well, "no problems", ifelse(better & worse, "mixed", ifelse(better, "improved", ifelse(worse, "worsened", "no change"))))
for (name in c("no problems", "no change", "improved", "worsened", "mixed")) add("class", name, "estimate", mean(class == name))
expected <- do.call(rbind, rows)
expected$value <- formatC(expected$value, digits = 15, format = "g")
write.csv(expected, "expected.csv", row.names = FALSE, quote = FALSE)
writeLines(c(R.version.string, paste("sandwich", packageVersion("sandwich"))), "versions.txt")
