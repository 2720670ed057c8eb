// SPDX-License-Identifier: MIT

package publish

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"

	"golang.org/x/image/webp"
	"golang.org/x/sys/unix"

	"thumbd/internal/info"
	"thumbd/internal/thumb"
)

// seal takes from every process, the worker that was handed picture included,
// the means to change it, and returns its bytes.
func seal(picture *os.File) (*io.SectionReader, error) {
	const seals = unix.F_SEAL_WRITE | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
	fd := picture.Fd()
	_, err := unix.FcntlInt(fd, unix.F_ADD_SEALS, seals)
	if errors.Is(err, unix.EPERM) {
		// Sealed before: by an earlier Publish, or by a worker against us.
		have, getErr := unix.FcntlInt(fd, unix.F_GET_SEALS, 0)
		if getErr == nil && have&seals == seals {
			err = nil
		}
	}
	// EBUSY: the worker keeps it mapped for writing.
	if err != nil {
		return nil, fmt.Errorf("%w: it can't be sealed: %w", ErrPicture, err)
	}
	fi, err := picture.Stat()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPicture, err)
	}
	return io.NewSectionReader(picture, 0, fi.Size()), nil
}

// verify reads the header of a picture and compares it with want. If they differ, it
// returns ErrPicture. If a read fails, it returns another error.
func verify(picture *io.SectionReader, want Want) error {
	in := &faultReader{r: io.NewSectionReader(picture, 0, picture.Size())}
	got, err := decodeHeader(bufio.NewReader(in), want)
	switch {
	case in.err != nil:
		return in.err
	case err != nil:
		return fmt.Errorf("%w: %v of %d bytes: %w", ErrPicture, want.Format, picture.Size(), err)
	case want.Width == 0 && want.Height == 0:
		return nil
	case got.Width != want.Width || got.Height != want.Height:
		return fmt.Errorf("%w: %dx%d for %dx%d", ErrPicture, got.Width, got.Height, want.Width, want.Height)
	}
	return nil
}

// decodeHeader reads a header of want's format and no other. Without
// dimensions to compare it goes no further than the signature: an original's
// own bytes may have features that the standard library's decoders lack.
func decodeHeader(in *bufio.Reader, want Want) (image.Config, error) {
	head, err := in.Peek(thumb.SignatureLength)
	if err != nil && err != io.EOF {
		return image.Config{}, err
	}
	if !want.Format.Begins(head) {
		return image.Config{}, fmt.Errorf("it begins with %q", head)
	}
	if want.Format.Branded() {
		if err := readBrand(in, want.Format); err != nil {
			return image.Config{}, err
		}
	}
	if want.Format == thumb.JSON {
		return image.Config{Width: want.Width, Height: want.Height}, checkInfo(in)
	}
	if want.Width == 0 && want.Height == 0 {
		return image.Config{}, nil
	}
	switch want.Format {
	case thumb.AVIF:
		return decodeAVIF(in)
	case thumb.JPEG:
		return jpeg.DecodeConfig(in)
	case thumb.PNG:
		return png.DecodeConfig(in)
	case thumb.GIF:
		return gif.DecodeConfig(in)
	case thumb.WebP:
		return webp.DecodeConfig(in)
	}
	return image.Config{}, errors.New("nothing here reads its size")
}

// checkInfo reads the description of an original to its end. There is no picture, so no
// size is compared.
func checkInfo(in io.Reader) error {
	file, err := io.ReadAll(io.LimitReader(in, info.MaxBytes+1))
	if err != nil {
		return err
	}
	_, err = info.Parse(file)
	return err
}

// faultReader keeps an error of the disk, because decoders wrap it into errors of their
// own.
type faultReader struct {
	r   io.Reader
	err error
}

func (f *faultReader) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}
