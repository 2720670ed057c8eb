/* SPDX-License-Identifier: MIT */

#include "bits.h"

Bits
bits_fill_slowly(Bits s)
{
	while (s.have < BITS_FILLED) {
		unsigned c = 0;

		if (s.end - s.at < 8 && !s.input->ended) {
			s.input->at = s.at;
			input_more(s.input);
			s.at = s.input->at;
			s.end = s.input->end;
		}
		/* FF 00 is the byte FF; FF and another one is a marker. */
		if (s.end - s.at >= 2 && (s.at[0] != 0xff || s.at[1] == 0)) {
			c = s.at[0];
			s.at += c == 0xff ? 2 : 1;
		}
		else if (s.fed < 1 << 30)
			s.fed += 8;
		s.bits |= (uint64_t) c << (56 - s.have);
		s.have += 8;
	}
	return s;
}

int
bits_end(Bits s)
{
	int left;

	s = bits_fill_slowly(s);
	left = s.have - s.fed;
	s.input->at = s.at;
	s.input->end = s.end;
	return left >= 0 && left < 8 && s.end - s.at >= 2 && s.at[0] == 0xff ? 0 : -1;
}
