<?php
// SPDX-License-Identifier: MIT
// Prints, for each attachment, the picture elements that the plug-in of the package for PHP
// gives, with the attachment's name: {"2024/05/a.jpg":{"thumbd_picture":"<picture>…", …}}
//
// Without a site, THUMBD is not defined.
//
// usage: php pictures.php WORDPRESS <SITE
error_reporting( 0 );
$_SERVER['HTTP_HOST'] = 'blog.example';
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
if ( $site = json_decode( file_get_contents( 'php://stdin' ), true ) ) {
	define( 'THUMBD', $site );
}
require "$argv[1]/wp-load.php";
$all = array();
foreach ( get_posts( array( 'post_type' => 'attachment', 'numberposts' => -1 ) ) as $post ) {
	$id = $post->ID;
	update_post_meta( $id, '_wp_attachment_image_alt', 'A "picture"' );
	$all[ thumbd_name( $id ) ] = array(
		'thumbd_picture' => thumbd_picture( $id, 'hero', array( 'lazy' => true, 'sizes' => '50vw' ) ),
		'shortcode' => do_shortcode( "[thumbd id=\"$id\" preset=\"hero\" sizes=\"50vw\" lazy=\"1\"]" ),
		'theme' => wp_get_attachment_image( $id, 'hero', false, array( 'loading' => 'lazy', 'sizes' => '50vw', 'class' => 'wide' ) ),
		'sizes' => wp_get_attachment_image( $id, 'hero' ),
		'other' => wp_get_attachment_image( $id, 'thumbnail' ),
		'none' => do_shortcode( "[thumbd id=\"$id\" preset=\"none\"]" ) . thumbd_picture( 1, 'hero' ) . thumbd_url( 1, 'hero' ),
		'url' => $site ? thumbd_url( $id, 'hero-640w', 'webp' ) : '',
	);
}
// An upload that thumbd does not read.
$bmp = wp_insert_attachment( array( 'post_mime_type' => 'image/bmp' ), 'a.bmp' );
wp_update_attachment_metadata( $bmp, array( 'width' => 30, 'height' => 20 ) );
$all['a.bmp'] = array(
	'thumbd_picture' => thumbd_picture( $bmp, 'hero' ),
	'shortcode' => do_shortcode( "[thumbd id=\"$bmp\" preset=\"hero\"]" ),
	'theme' => wp_get_attachment_image( $bmp, 'hero' ),
);
wp_delete_attachment( $bmp, true );
echo json_encode( $all );
