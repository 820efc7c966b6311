#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/*
 * Who a process is: what the text of the kernel's own events does not say, or says in a way that can be forged.
 *
 * Paths and arguments are anybody's choice, and a newline in one would begin a line of the log. So each control
 * character becomes '?' before it is printed: nothing that is printed here can be taken for another record.
 */

#define ROOM 400 /* of the 512 bytes that a program's stack has; a longer path or command line is cut */

/* Longer than the way from one program to the next at the same event, and shorter than any exec. */
#define ONCE_NS 20000

enum { EXEC = 1, ARGS = 2, IDS = 3 };

/*
 * When what was told of which thread, shared by all recorders of a host. The kernel runs their programs one after
 * the other at the same event, and the first says for all that it prints. A line that comes twice all the same (an
 * interrupt lay between; another recorder's map may not be opened) does no harm: it says the same again.
 */
struct {
 __uint(type, BPF_MAP_TYPE_LRU_HASH);
 __uint(max_entries, 4096);
 __type(key, __u64);
 __type(value, __u64);
} told SEC(".maps");

static int told_already(__u64 what)
{
 __u64 key = what << 32 | (__u32)bpf_get_current_pid_tgid();
 __u64 now = bpf_ktime_get_ns();
 __u64 *before = bpf_map_lookup_elem(&told, &key);

 if (before && now - *before < ONCE_NS)
  return 1;
 bpf_map_update_elem(&told, &key, &now, BPF_ANY);
 return 0;
}

#define EACH_BYTE(byte) (0x0101010101010101ULL * (byte))

/* Replace the bytes that `marks` has the highest bit of. */
static __u64 replaced(__u64 word, __u64 marks, __u64 by)
{
 __u64 mask = (marks >> 7) * 0xff;

 return (word & ~mask) | (EACH_BYTE(by) & mask);
}

/*
 * Make eight bytes harmless at once, without a branch or a loop for the verifier to follow. Adding to the lower
 * seven bits of a byte sets its highest bit, and carries nothing into the next. Bytes from 0x80 on stay: UTF-8.
 */
static __u64 harmless(__u64 word, __u64 for_nul)
{
 __u64 low = word & EACH_BYTE(0x7f);
 __u64 ascii = ~word & EACH_BYTE(0x80);
 __u64 nul = ~(low + EACH_BYTE(0x7f)) & ascii;
 __u64 below_blank = ~(low + EACH_BYTE(0x60)) & ascii;
 __u64 del = (low + EACH_BYTE(1)) & ascii;

 word = replaced(word, (below_blank & ~nul) | del, '?');
 return replaced(word, nul, for_nul);
}

/* Volatile, as the compiler would keep a second copy on the stack, which has no room for it. */
#define MAKE_HARMLESS(words, for_nul) \
 for (int i = 0; i < ROOM / 8; i++) \
  *(volatile __u64 *)&(words)[i] = harmless(*(volatile __u64 *)&(words)[i], for_nul)

static int print_ids(void)
{
 bpf_printk("sigtrace args uid=%d cgroup=%llu", (int)bpf_get_current_uid_gid(), bpf_get_current_cgroup_id());
 return 0;
}

#ifdef NO_ARGUMENTS
/* Told beside what a recorder with arguments tells, whose lines one without does not hear. */
#define EXECUTED IDS
static int print_args(void)
{
 return print_ids();
}
#else
#define EXECUTED ARGS
/*
 * Print the arguments from the new program's stack, where its thread returns to: their number, a pointer to each;
 * the strings themselves lie one after the other. At the call's entry they would be the caller's, and those that
 * lie in a page which nobody has touched yet cannot be read from here.
 */
static int print_args(void)
{
 struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
 __u64 stack = PT_REGS_SP(regs);
 __u64 words[ROOM / 8] = {};
 char *bytes = (char *)words;
 __u64 count = 0, first = 0, last = 0, size;
 long length;

 bpf_probe_read_user(&count, sizeof(count), (void *)stack);
 bpf_probe_read_user(&first, sizeof(first), (void *)(stack + 8));
 bpf_probe_read_user(&last, sizeof(last), (void *)(stack + 8 * count));
 if (!count || !first)
  return print_ids();
 length = bpf_probe_read_user_str(bytes, ROOM, (void *)last);
 size = last - first + (length > 0 ? length : 0);
 if (size > ROOM)
  size = ROOM;
 if (size < 1)
  return print_ids();
 if (bpf_probe_read_user(bytes, size, (void *)first))
  return print_ids();
#pragma clang loop unroll(disable)
 MAKE_HARMLESS(words, ' ');
 bytes[size - 1] = 0;
 bpf_printk("sigtrace args uid=%d cgroup=%llu %s",
		   (int)bpf_get_current_uid_gid(), bpf_get_current_cgroup_id(), bytes);
 return 0;
}
#endif

SEC("tracepoint/sched/sched_process_exec")
int exec(struct trace_event_raw_sched_process_exec *ctx)
{
 __u64 words[ROOM / 8] = {};
 int old = ctx->old_pid;
 char *path = (char *)ctx + (ctx->__data_loc_filename & 0xffff);

 if (told_already(EXEC))
  return 0;
 bpf_probe_read_kernel_str(words, ROOM, path);
#pragma unroll /* before Linux 5.12 a stack is not indexed by a variable */
 MAKE_HARMLESS(words, 0);
 bpf_printk("sigtrace exec old=%d %s", old, (char *)words);
 return 0;
}

SEC("tracepoint/syscalls/sys_exit_execve")
int execve_exit(struct trace_event_raw_sys_exit *ctx)
{
 return ctx->ret || told_already(EXECUTED) ? 0 : print_args();
}

SEC("tracepoint/syscalls/sys_exit_execveat")
int execveat_exit(struct trace_event_raw_sys_exit *ctx)
{
 return ctx->ret || told_already(EXECUTED) ? 0 : print_args();
}

/* A process becomes somebody else without an exec: a server's workers, su, sshd. */

SEC("tracepoint/syscalls/sys_exit_setuid")
int setuid_exit(struct trace_event_raw_sys_exit *ctx)
{
 return ctx->ret ? 0 : print_ids();
}

SEC("tracepoint/syscalls/sys_exit_setreuid")
int setreuid_exit(struct trace_event_raw_sys_exit *ctx)
{
 return ctx->ret ? 0 : print_ids();
}

SEC("tracepoint/syscalls/sys_exit_setresuid")
int setresuid_exit(struct trace_event_raw_sys_exit *ctx)
{
 return ctx->ret ? 0 : print_ids();
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
