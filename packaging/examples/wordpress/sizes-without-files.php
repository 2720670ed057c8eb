<?php
/*
 * Plugin Name: Sizes without files
 * Description: WordPress names the sizes of a picture in its pages, and thumbd makes their files.
 * License: MIT
 *
 * Copy it into wp-content/mu-plugins. Without it all works too, and WordPress makes a file
 * of each size of each upload.
 */

// No files are made, neither by PHP nor, since WordPress 7.1, by the browser.
add_filter( 'intermediate_image_sizes_advanced', '__return_empty_array' );
add_filter( 'wp_client_side_media_processing_enabled', '__return_false' );

// The sizes stay in the metadata, from which pages get their src and srcset.
add_filter( 'wp_generate_attachment_metadata', 'thumbd_sizes' );

function thumbd_sizes( $meta ) {
	if ( empty( $meta['file'] ) || empty( $meta['width'] ) ) {
		return $meta;
	}
	list( $file, $width, $height ) = thumbd_original( $meta );
	$type = wp_check_filetype( $file )['type'];
	foreach ( wp_get_registered_image_subsizes() as $name => $size ) {
		$to = image_resize_dimensions( $width, $height, $size['width'], $size['height'], $size['crop'] );
		if ( ! $to || ! empty( $meta['sizes'][ $name ] ) ) {
			continue;
		}
		$meta['sizes'][ $name ] = array(
			'file'      => preg_replace( '/(\.\w+)$/', "-$to[4]x$to[5]\$1", $file ),
			'width'     => $to[4],
			'height'    => $to[5],
			'mime-type' => $type,
		);
	}
	return $meta;
}

/**
 * Returns the name of the uploaded file and its size as it is seen: names of sizes
 * follow a.jpg, and not a-scaled.jpg or a-rotated.jpg, which WordPress has made of it.
 */
function thumbd_original( $meta ) {
	$file  = wp_basename( $meta['file'] );
	$width = $meta['width'];
	$height = $meta['height'];
	if ( empty( $meta['original_image'] ) || ! preg_match( '/^(.*)-(scaled|rotated)\.\w+$/', $file, $match )
		|| strpos( $meta['original_image'], "$match[1]." ) !== 0 ) {
		return array( $file, $width, $height );
	}
	$path = wp_get_upload_dir()['basedir'] . '/' . dirname( $meta['file'] ) . '/' . $meta['original_image'];
	$size = wp_getimagesize( $path );
	if ( ! $size ) {
		return array( $file, $width, $height );
	}
	// The file may lie on its side.
	if ( ( $size[0] > $size[1] ) !== ( $width > $height ) ) {
		$size = array( $size[1], $size[0] );
	}
	return array( $meta['original_image'], $size[0], $size[1] );
}
