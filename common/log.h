/* log.h: one line per event: `ts=… level=… program=… event=… key=value …`.
 *
 * A line is one write(2) to a file opened with O_APPEND, so lines of several threads never mix. Control characters are
 * replaced, so that input cannot forge a line. Never pass message content, names, or ids that are credentials; name
 * connections and rooms by their internal numbers. Any thread. */
#ifndef CG_COMMON_LOG_H
#define CG_COMMON_LOG_H

#include "common/err.h"

#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Opens the log. `path` NULL or empty: standard error. */
enum err log_open(const char *program, const char *path, enum log_level level) CG_MUST_CHECK;
/* Opens the same path again after log rotation (SIGHUP). Keeps the old file if that fails. */
void log_reopen(void);
void log_close(void);
/* What stands before a line on standard error, so that the journal knows its priority: "<3>" for an error (sd-daemon(3)).
 * Empty unless standard error leads to the journal, as JOURNAL_STREAM says. */
const char *log_priority(enum log_level level);
/* Nothing is written from now on: for a command that says itself what is wrong. */
void log_quiet(void);
/* The level of that name, or -1. */
int log_level_of(const char *name);

/* `format` has `key=value` pairs; quote a value that may contain blanks: msg="%s". */
void log_write(enum log_level level, const char *event, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)

#endif
