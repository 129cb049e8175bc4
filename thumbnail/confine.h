/* confine.h: restricts this process to what decoding an untrusted picture needs. */
#ifndef CG_THUMBNAIL_CONFINE_H
#define CG_THUMBNAIL_CONFINE_H

#include <stdbool.h>
#include <stdint.h>

/* Limits address space (bytes), CPU time (seconds) and file size, and allows no new descriptors and no core dump.
 * Lowers the priority, and makes the process the first to be killed when memory is short. False if a limit could not
 * be set: then do not decode anything. */
bool confine_resources(uint64_t memory_bytes, uint64_t cpu_s, uint64_t file_bytes);

/* Allows only the system calls that read and write open descriptors and manage memory: no files, network or other
 * processes. Does without what the kernel does not support. */
void confine_calls(void);

#endif
