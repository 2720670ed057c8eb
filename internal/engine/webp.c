/* SPDX-License-Identifier: MIT */

#include "vips.h"

#include <webp/decode.h>

/* WebP stills are decoded here where they are scaled. libvips would do it with a
 * second thread, to which lines are handed one by one, and copy the picture to a
 * canvas and from there once more. */

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

int
thumbd_webp(VipsSource *source, VipsImage *header, VipsImage **out)
{
	WebPDecoderConfig config;
	VipsImage *t;
	const void *data;
	size_t length;

	if (!(data = vips_source_map(source, &length)))
		return -1;
	/* What else there is in such a file, libvips knows. */
	if (!WebPInitDecoderConfig(&config) ||
		WebPGetFeatures(data, length, &config.input) != VP8_STATUS_OK ||
		config.input.has_alpha || config.input.has_animation || header->Bands != 3) {
		*out = g_object_ref(header);
		return 0;
	}
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
