"""Price lists, promotions, coupons, quotes and tax. Quotes are pure functions of rows that were read before."""
