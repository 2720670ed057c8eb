<?php
// SPDX-License-Identifier: MIT
// Uploads pictures as a person does in wp-admin, writes a post with each of them in each
// of its sizes, and prints what WordPress keeps about them:
// {"post":4,"uploads":{"a.jpg":{"file":"2024/05/a.jpg","width":3000,"height":2000,"sizes":{…}}}}
//
// usage: php post.php WORDPRESS PICTURE...
error_reporting( 0 );
$_SERVER['HTTP_HOST'] = 'blog.example';
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
require "$argv[1]/wp-load.php";
error_reporting( 0 );
foreach ( array( 'image', 'file', 'media' ) as $include ) {
	require_once ABSPATH . "wp-admin/includes/$include.php";
}
wp_set_current_user( 1 );
$uploads = array();
$content = '';
foreach ( array_slice( $argv, 2 ) as $picture ) {
	$copy = tempnam( dirname( $argv[1] ), 'upload' );
	copy( $picture, $copy );
	$id = media_handle_sideload( array( 'name' => basename( $picture ), 'tmp_name' => $copy ), 0 );
	if ( is_wp_error( $id ) ) {
		fwrite( STDERR, basename( $picture ) . ': ' . $id->get_error_message() . "\n" );
		exit( 1 );
	}
	$meta = wp_get_attachment_metadata( $id );
	$uploads[ basename( $picture ) ] = $meta;
	foreach ( array_merge( array( 'full' ), array_keys( $meta['sizes'] ) ) as $size ) {
		$content .= "<!-- wp:html -->\n" . wp_get_attachment_image( $id, $size ) . "\n<!-- /wp:html -->\n";
	}
}
$post = wp_insert_post( array( 'post_title' => 'Pictures', 'post_content' => wp_slash( $content ), 'post_status' => 'publish' ) );
echo json_encode( array( 'post' => $post, 'uploads' => $uploads ) );
