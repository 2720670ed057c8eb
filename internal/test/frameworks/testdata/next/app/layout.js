// SPDX-License-Identifier: MIT
import { createElement as e } from 'react'

export default ({ children }) => e('html', { lang: 'en' }, e('body', null, children))
