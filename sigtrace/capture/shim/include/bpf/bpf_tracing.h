/* Where the stack pointer stands in struct pt_regs, of which bcc knows no members here, comes as USER_SP. */
#undef PT_REGS_SP
#define PT_REGS_SP(regs) (*(unsigned long *)((char *)(regs) + USER_SP))
