/*
 * libbpf's names, said in bcc's words. bcc finds a program by its function's name and knows no SEC maps: the one map of
 * a source is made before the compile, and its file descriptor comes as MAP_FD.
 */
#define SEC(name)
#define __uint(name, val) int (*name)[val]
#define __type(name, val) typeof(val) *name

#define bpf_map_lookup_elem(map, key) bpf_map_lookup_elem_(bpf_pseudo_fd(1, MAP_FD), key)
#define bpf_map_update_elem(map, key, value, flags) \
	(IS_RECORDED(value) ? bpf_map_update_elem_(bpf_pseudo_fd(1, MAP_FD), key, value, flags) : 0)
#define bpf_map_delete_elem(map, key) bpf_map_delete_elem_(bpf_pseudo_fd(1, MAP_FD), key)

/*
 * probe.c is the tutorial's to the letter and takes every call. A call that it does not note when it begins prints
 * nothing when it returns: so calls are chosen here. SIGNALS has bit N - 1 for signal N; RECORDER's call with signal 0
 * on itself is how it knows that lines come through.
 */
#ifdef SIGNALS
#define IS_RECORDED(call)                                                                      \
	((call)->sig == 0 ? (call)->tpid == RECORDER                                           \
			  : ((call)->sig > 0 && (call)->sig <= 64 && SIGNALS >> ((call)->sig - 1) & 1))
#else
#define IS_RECORDED(value) 1
#endif

#define bpf_printk(fmt, args...)                                     \
	({                                                           \
		char format__[] = fmt;                               \
		bpf_trace_printk_(format__, sizeof(format__), args); \
	})
