/* confine.h: takes from this process what decoding a stranger's picture does not need. */
#ifndef CG_THUMBNAIL_CONFINE_H
#define CG_THUMBNAIL_CONFINE_H

#include <stdbool.h>
#include <stdint.h>

/* From here on at most that much memory (address space, bytes) and processor time, no file that grows past `file_bytes`,
 * no descriptor that is not open now, no core; the last to get the processor and the first to go when memory is short.
 * False if a bound could not be set: then nothing may be decoded. */
bool confine_resources(uint64_t memory_bytes, uint64_t cpu_s, uint64_t file_bytes);

/* From here on no system call but those that read and write what is open, and take and give back memory: no file, no
 * network, no other process. What a kernel does not offer is done without. */
void confine_calls(void);

#endif
