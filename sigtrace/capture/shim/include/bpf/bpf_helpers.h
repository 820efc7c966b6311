/*
 * libbpf's names, said in bcc's words. bcc finds a program by its function's name and knows no SEC maps: the one map of
 * a source is made before the compile, and its file descriptor comes as MAP_FD.
 */
#define SEC(name)
#define __uint(name, val) int (*name)[val]
#define __type(name, val) typeof(val) *name

#define bpf_map_lookup_elem(map, key) bpf_map_lookup_elem_(bpf_pseudo_fd(1, MAP_FD), key)
#define bpf_map_update_elem(map, key, value, flags) \
	bpf_map_update_elem_(bpf_pseudo_fd(1, MAP_FD), key, value, flags)
#define bpf_map_delete_elem(map, key) bpf_map_delete_elem_(bpf_pseudo_fd(1, MAP_FD), key)

#define bpf_printk(fmt, args...)                                     \
	({                                                           \
		char format__[] = fmt;                               \
		bpf_trace_printk_(format__, sizeof(format__), args); \
	})
