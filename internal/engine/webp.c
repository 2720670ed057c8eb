/* SPDX-License-Identifier: MIT */

#include "vips.h"

#include <string.h>

#include <webp/decode.h>

/* If a WebP still is scaled, it is decoded here. libvips would hand its lines one by one
 * to a second thread, copy the picture to a canvas, and copy it from there once more. */

static int
decode(const void *data, size_t length, WebPDecoderConfig *config, VipsImage *to)
{
	VP8StatusCode status;

	config->options.use_scaling = 1;
	config->options.scaled_width = to->Xsize;
	config->options.scaled_height = to->Ysize;
	config->output.colorspace = MODE_RGB;
	config->output.is_external_memory = 1;
	config->output.u.RGBA.rgba = VIPS_IMAGE_ADDR(to, 0, 0);
	config->output.u.RGBA.stride = VIPS_IMAGE_SIZEOF_LINE(to);
	config->output.u.RGBA.size = VIPS_IMAGE_SIZEOF_IMAGE(to);
	status = WebPDecode(data, length, config);
	WebPFreeDecBuffer(&config->output);
	if (status == VP8_STATUS_OK)
		return 0;
	vips_error("webp", "status %d", status);
	return -1;
}

/* Cut *data to the chunk of the picture, with its head. libwebp reads on into the
 * chunks behind it if a damaged picture needs more data than it has, and reports
 * no error. https://developers.google.com/speed/webp/docs/riff_container */
static void
cut_to_picture(const guint8 **data, size_t *length)
{
	const size_t head = 8;
	size_t at = 12;

	while (*length >= head && at <= *length - head) {
		const guint8 *chunk = *data + at;
		size_t size = chunk[4] | chunk[5] << 8 | chunk[6] << 16 |
			(size_t) chunk[7] << 24;

		if (memcmp(chunk, "VP8 ", 4) == 0 || memcmp(chunk, "VP8L", 4) == 0) {
			*data = chunk;
			*length = VIPS_MIN(head + size, *length - at);
			return;
		}
		at += head + VIPS_MIN(size, *length) + size % 2;
	}
}

int
thumbd_webp(VipsSource *source, VipsImage *header, VipsImage **out)
{
	WebPDecoderConfig config;
	VipsImage *t;
	const guint8 *data;
	size_t length;

	if (!(data = vips_source_map(source, &length)))
		return -1;
	/* libvips decodes everything else that such a file may have. */
	if (!WebPInitDecoderConfig(&config) ||
		WebPGetFeatures(data, length, &config.input) != VP8_STATUS_OK ||
		config.input.has_alpha || config.input.has_animation || header->Bands != 3) {
		*out = g_object_ref(header);
		return 0;
	}
	cut_to_picture(&data, &length);
	t = vips_image_new_memory();
	if (vips_image_pipelinev(t, VIPS_DEMAND_STYLE_ANY, header, NULL) ||
		vips_image_write_prepare(t) ||
		decode(data, length, &config, t)) {
		g_object_unref(t);
		return -1;
	}
	*out = t;
	return 0;
}
