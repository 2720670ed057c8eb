<?php
/* Plugin Name: The sizes of a theme */
add_action( 'after_setup_theme', function () {
	add_image_size( 'banner', 1600, 400, true );
	add_image_size( 'corner', 500, 500, array( 'left', 'top' ) );
	add_image_size( 'strip', 0, 120 );
} );
