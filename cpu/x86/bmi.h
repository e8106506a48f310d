/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bmi.h -- what the helper `bmi` computes. */
#ifndef CPU_X86_BMI_H
#define CPU_X86_BMI_H
enum BmiOp { BMI_ANDN, BMI_BLSR, BMI_BLSMSK, BMI_BLSI, BMI_BZHI, BMI_BEXTR, BMI_ADCX, BMI_ADOX };
#endif
