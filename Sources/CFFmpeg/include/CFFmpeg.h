// SPDX-License-Identifier: Apache-2.0
#ifndef ACCORD_CFFMPEG_H
#define ACCORD_CFFMPEG_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/cpu.h>
#include <libavutil/display.h>
#include <libavutil/imgutils.h>
#include <libavutil/opt.h>
#include <libswscale/swscale.h>
#include <stdbool.h>

/// Macros that Swift cannot import.
extern const int accord_av_again;
extern const int accord_av_end;
extern const int accord_av_invalid_data;
extern const int64_t accord_av_no_time;
/// Area averaging with exact arithmetic, so that pixels do not depend on the processor.
extern const int accord_sws_exact_area;

/// FFmpeg's text for an error code, into a buffer of at least AV_ERROR_MAX_STRING_SIZE bytes.
void accord_av_error_text(int code, char *buffer, size_t capacity);

/// Whether an operation may have failed because this process lacks memory or descriptors, not
/// because the file is bad. Codes do not tell: where memory is refused, decoders speak of damaged
/// data and swscale of formats. A bad file may in turn ask for any amount. So a lack is what the
/// system does at this moment: it does not give as much as a good file can need.
/// - Parameter code: FFmpeg's, or 0 if it gave none.
bool accord_av_is_lack(int code);

/// Clockwise rotation in degrees (0, 90, 180 or 270) that a player applies to the stream.
int accord_av_rotation(const AVStream *stream);

/// Asks for a clockwise rotation of 0, 90, 180 or 270 degrees; before the header is written.
int accord_av_set_rotation(AVStream *stream, int degrees);

/// Tells swscale the colour matrix and range of a frame that it is about to convert to RGB.
int accord_sws_set_colours(struct SwsContext *context, const AVFrame *frame);

/// Switches FFmpeg's own messages off; errors come back as codes.
void accord_av_quiet(void);

#endif
