<?php
/*
 * Plugin Name: Pictures of thumbd
 * Description: Shows attachments as picture elements of thumbd's presets, in their widths and formats.
 * License: MIT
 * Requires PHP: 8.1
 *
 * Unpack the package for PHP into wp-content/plugins/thumbd, and copy this file into
 * wp-content/plugins, or into wp-content/mu-plugins. The site's originals are the folder of
 * uploads. wp-config.php:
 *
 *     define( 'THUMBD', array( 'prefix' => '/thumbs/', 'scheme' => 'preset', 'presets' => array( 'hero' => array( … ) ) ) );
 *
 * Then a theme's the_post_thumbnail( 'hero' ) and wp_get_attachment_image( 5, 'hero' ), and
 * the shortcode [thumbd id="5" preset="hero" sizes="50vw"] of a post, give the element.
 */

foreach ( array( 'Mistake', 'functions', 'Placeholder', 'Site' ) as $file ) {
	require_once WP_CONTENT_DIR . "/plugins/thumbd/src/$file.php";
}

/** Returns the site of the constant THUMBD. Without it, it throws Thumbd\Mistake. */
function thumbd_site() {
	static $site;
	if ( ! defined( 'THUMBD' ) ) {
		throw new Thumbd\Mistake( 'wp-config.php does not define THUMBD' );
	}
	$site ??= new Thumbd\Site( THUMBD );
	return $site;
}

/** Returns whether a preset is there; without THUMBD there is none. */
function thumbd_has( $preset ) {
	return defined( 'THUMBD' ) && isset( THUMBD['presets'][ $preset ] );
}

/**
 * Returns the URL of an attachment's thumbnail, or '' if the attachment is no picture.
 * If the preset does not have the format, it throws Thumbd\Mistake.
 *
 * @param int    $attachment
 * @param string $spec   a preset, for example hero-640w
 * @param string $format for example webp; null for the attachment's own
 */
function thumbd_url( $attachment, $spec, $format = null ) {
	return wp_attachment_is_image( $attachment ) ? thumbd_site()->url( thumbd_name( $attachment ), $spec, $format ) : '';
}

/**
 * Returns an attachment's picture element in a preset, or '' if the attachment is no
 * picture or the preset can't show it: a BMP, for example. Its size and its alternative
 * text are those that WordPress keeps. Without sizes the picture is as wide as the window,
 * up to its own width, as WordPress has it for its images.
 *
 * @param int    $attachment
 * @param string $preset
 * @param array  $options those of Thumbd\Site::picture, and class
 */
function thumbd_picture( $attachment, $preset, $options = array() ) {
	$meta = wp_get_attachment_metadata( $attachment );
	if ( ! wp_attachment_is_image( $attachment ) || empty( $meta['width'] ) ) {
		return '';
	}
	$options += array(
		'width'  => (int) $meta['width'],
		'height' => (int) $meta['height'],
		'alt'    => (string) get_post_meta( $attachment, '_wp_attachment_image_alt', true ),
	);
	try {
		$name = thumbd_name( $attachment );
		if ( ( $options['sizes'] ?? '' ) === '' ) {
			$width = thumbd_site()->parts( $name, $preset, $options )['img']['width'];
			$options['sizes'] = "(max-width: {$width}px) 100vw, {$width}px";
		}
		$element = thumbd_site()->picture( $name, $preset, $options );
	} catch ( Thumbd\Mistake $mistake ) {
		// Anybody who uploads chooses the format, and the page must not end with it.
		WP_DEBUG && error_log( 'thumbd: ' . $mistake->getMessage() );
		return '';
	}
	$class = esc_attr( $options['class'] ?? '' );
	return $class === '' ? $element : str_replace( "\n<img ", "\n<img class=\"$class\" ", $element );
}

/** Returns an attachment's path below the folder of uploads, for example 2024/05/a.jpg. */
function thumbd_name( $attachment ) {
	return (string) get_post_meta( $attachment, '_wp_attached_file', true );
}

// A size that has the name of a preset is the preset.
add_filter( 'wp_get_attachment_image', 'thumbd_attachment_image', 10, 5 );

function thumbd_attachment_image( $html, $attachment, $size, $icon, $attributes ) {
	if ( ! is_string( $size ) || ! thumbd_has( $size ) ) {
		return $html;
	}
	// WordPress has escaped them.
	$attributes = array_map( fn ( $text ) => wp_specialchars_decode( (string) $text, ENT_QUOTES ), wp_parse_args( $attributes ) );
	// WordPress' own are of the upload's width, not of the preset's.
	if ( preg_match( '~^(auto, )?\(max-width: (\d+)px\) 100vw, \2px$~', $attributes['sizes'] ?? '' ) ) {
		unset( $attributes['sizes'] );
	}
	$options = array(
		'class' => $attributes['class'] ?? "attachment-$size size-$size",
		'lazy' => ( $attributes['loading'] ?? '' ) === 'lazy',
		'priority' => ( $attributes['fetchpriority'] ?? '' ) === 'high',
	);
	return thumbd_picture( $attachment, $size, $options + array_intersect_key( $attributes, array( 'alt' => '', 'sizes' => '' ) ) ) ?: $html;
}

add_shortcode( 'thumbd', 'thumbd_shortcode' );

function thumbd_shortcode( $attributes ) {
	$given = shortcode_atts( array( 'id' => 0, 'preset' => '', 'sizes' => '', 'lazy' => '' ), $attributes, 'thumbd' );
	// An editor's mistake is no error of the page.
	if ( ! thumbd_has( $given['preset'] ) ) {
		return '';
	}
	return thumbd_picture( (int) $given['id'], $given['preset'], array( 'sizes' => $given['sizes'], 'lazy' => $given['lazy'] !== '' ) );
}
