// SPDX-License-Identifier: Apache-2.0
#include "CFFmpeg.h"

#include <libavutil/display.h>
#include <math.h>

const int accord_av_again = AVERROR(EAGAIN);
const int accord_av_end = AVERROR_EOF;
const int64_t accord_av_no_pts = AV_NOPTS_VALUE;
// Exact arithmetic, so that pixels do not depend on the processor.
const int accord_sws_exact_area = SWS_AREA | SWS_BITEXACT | SWS_ACCURATE_RND;

void accord_av_error_text(int code, char *buffer, size_t capacity) {
    av_strerror(code, buffer, capacity);
}

int accord_av_rotation(const AVStream *stream) {
    const uint8_t *matrix = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, NULL);
    if (!matrix) return 0;
    double degrees = -av_display_rotation_get((const int32_t *)matrix);
    if (isnan(degrees)) return 0;
    int quarter = (int)lround(degrees / 90.0) % 4;
    return ((quarter + 4) % 4) * 90;
}

void accord_av_quiet(void) { av_log_set_level(AV_LOG_QUIET); }
