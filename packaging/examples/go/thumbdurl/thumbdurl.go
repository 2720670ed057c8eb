// SPDX-License-Identifier: MIT

// Package thumbdurl makes signed URLs for thumbd. Paths are not
// percent-encoded. Copy it: it needs the standard library alone.
package thumbdurl

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// ReadKey returns the key in a file.
func ReadKey(name string) ([]byte, error) {
	b, err := os.ReadFile(name)
	return bytes.TrimSuffix(b, []byte("\n")), err
}

// Thumbnail returns the URL of a thumbnail, as in
// Thumbnail(key, "/thumbs/a.jpg", "400x300_crop", "webp").
func Thumbnail(key []byte, original, spec, ext string) string {
	stem := original + "/" + spec + "_"
	return escape(stem + signature(key, stem+"."+ext) + "." + ext)
}

// Access returns the URL of a protected path.
func Access(key []byte, path string, expires time.Time) string {
	return signed("access", key, path, "expires="+strconv.FormatInt(expires.Unix(), 10))
}

// Download returns the URL of a file, to be saved under name unless that is "".
func Download(key []byte, path string, expires time.Time, name string) string {
	query := "expires=" + strconv.FormatInt(expires.Unix(), 10)
	if name != "" {
		query += "&download=" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
	}
	return signed("file", key, path, query)
}

func signed(purpose string, key []byte, path, query string) string {
	return escape(path) + "?" + query + "&signature=" + signature(key, purpose+"\n"+path+"\n"+query)
}

func signature(key []byte, text string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:21])
}

func escape(path string) string { return (&url.URL{Path: path}).EscapedPath() }
