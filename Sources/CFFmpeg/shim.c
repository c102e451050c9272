// SPDX-License-Identifier: Apache-2.0
#include "CFFmpeg.h"

#include <math.h>
#include <sys/mman.h>

const int accord_av_again = AVERROR(EAGAIN);
const int accord_av_end = AVERROR_EOF;
const int accord_av_invalid_data = AVERROR_INVALIDDATA;
const int64_t accord_av_no_time = AV_NOPTS_VALUE;
// Without full chroma, swscale goes from YUV to RGB by tables that darken every pixel by one level
// and more. The flag is without influence on the way back.
const int accord_sws_exact_area =
    SWS_AREA | SWS_BITEXACT | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT;

void accord_av_error_text(int code, char *buffer, size_t capacity) {
    av_strerror(code, buffer, capacity);
}

/// What is held already counts at that moment, so this has to exceed a single request, and what
/// FFmpeg has given back before it told of the failure.
static const size_t room_bytes = 256 << 20;

/// An error of the system that decoders have no other use for.
static bool is_of_file_system(int code) {
    return code < 0 && code > -4096 && code != AVERROR(ENOMEM) && code != AVERROR(EINVAL);
}

bool accord_av_is_lack(int code) {
    if (code == AVERROR(EMFILE) || code == AVERROR(ENFILE)) return true;
    if (is_of_file_system(code)) return false;
    int protection = PROT_READ | PROT_WRITE;
    void *trial = mmap(NULL, room_bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (trial == MAP_FAILED) return true;
    munmap(trial, room_bytes);
    return false;
}

int accord_av_rotation(const AVStream *stream) {
    const uint8_t *matrix = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, NULL);
    if (!matrix) return 0;
    // FFmpeg counts counter-clockwise.
    double degrees = -av_display_rotation_get((const int32_t *)matrix);
    if (isnan(degrees)) return 0;
    int quarter = (int)lround(degrees / 90.0) % 4;
    return ((quarter + 4) % 4) * 90;
}

int accord_av_set_rotation(AVStream *stream, int degrees) {
    uint8_t *matrix =
        av_stream_new_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, 9 * sizeof(int32_t));
    if (!matrix) return AVERROR(ENOMEM);
    // Clockwise, although av_display_rotation_get counts counter-clockwise.
    av_display_rotation_set((int32_t *)matrix, degrees);
    return 0;
}

int accord_sws_set_colours(struct SwsContext *context, const AVFrame *frame) {
    int *source, *target;
    int source_full, target_full, brightness, contrast, saturation;
    if (sws_getColorspaceDetails(context, &source, &source_full, &target, &target_full,
                                 &brightness, &contrast, &saturation) < 0)
        return 0;  // a grey or RGB source has no matrix
    if (frame->color_range == AVCOL_RANGE_JPEG) source_full = 1;
    if (frame->color_range == AVCOL_RANGE_MPEG) source_full = 0;
    const int *matrix = sws_getCoefficients(
        frame->colorspace == AVCOL_SPC_UNSPECIFIED ? SWS_CS_DEFAULT : (int)frame->colorspace);
    return sws_setColorspaceDetails(context, matrix, source_full, target, target_full,
                                    brightness, contrast, saturation);
}

void accord_av_quiet(void) { av_log_set_level(AV_LOG_QUIET); }
