<?php
// SPDX-License-Identifier: MIT
// Installs WordPress. usage: php install.php WORDPRESS URL
error_reporting( 0 );
$_SERVER['HTTP_HOST'] = parse_url( $argv[2], PHP_URL_HOST );
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
define( 'WP_INSTALLING', true );
function wp_mail() {
	return true;
}
require "$argv[1]/wp-load.php";
require_once ABSPATH . 'wp-admin/includes/upgrade.php';
wp_install( 'A blog', 'admin', 'admin@blog.example', true, '', 'password' );
update_option( 'siteurl', $argv[2] );
update_option( 'home', $argv[2] );
