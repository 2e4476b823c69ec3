-- Returns the promotions that apply to a cart now (those without a coupon and those of its coupons) and what they need to
-- know of the cart's variants; NULL where there is none. A function, so that a hub without promotions opens none of these
-- tables when it reads a cart. in_counted: the cart has redeemed its coupons already, so they do not count as used up.
CREATE OR REPLACE FUNCTION offers_of(
    in_cart uuid, in_customer uuid, in_counted boolean, in_channel bigint, in_currency text, in_variants bigint[]
) RETURNS json
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        WITH offered AS (
            SELECT m, NULL::json AS coupon FROM promotion m
            WHERE m.active AND NOT m.needs_coupon AND (m.valid_from IS NULL OR m.valid_from <= now())
                AND (m.valid_to IS NULL OR m.valid_to > now()) AND (m.currency IS NULL OR m.currency = in_currency)
                AND (m.channel_ids IS NULL OR in_channel = ANY(m.channel_ids))
            UNION ALL
            SELECT m, json_build_object('id', u.id, 'code', u.code, 'active', u.active,
                'used_up', NOT in_counted AND (coalesce(u.used >= u.usage_limit, false)
                    OR coalesce(u.per_customer_limit <= (SELECT count(*) FROM coupon_redemption r
                        WHERE r.coupon_id = u.id AND r.customer_id = in_customer AND r.reversed_at IS NULL), false)),
                'needs_customer', u.per_customer_limit IS NOT NULL AND in_customer IS NULL)
            FROM cart_coupon k JOIN coupon u ON u.id = k.coupon_id JOIN promotion m ON m.id = u.promotion_id
            WHERE k.cart_id = in_cart
        ), named AS (
            SELECT i.variant_id, json_agg(json_build_array(i.promotion_id, i.reward)) AS by FROM promotion_item i
            WHERE i.variant_id = ANY(in_variants) AND i.promotion_id IN (SELECT (m).id FROM offered) GROUP BY 1
        )
        SELECT json_build_object(
            'at', now(),
            'offers', (SELECT json_agg(json_build_object('promotion', m, 'coupon', coupon)) FROM offered),
            'goods', (
                SELECT json_agg(json_build_array(v.id, d.category, d.brand, n.by)) FROM variant v
                JOIN product d ON d.id = v.product_id LEFT JOIN named n ON n.variant_id = v.id
                WHERE v.id = ANY(in_variants)
            )
        ) WHERE EXISTS (SELECT FROM offered)
    );
END $$;
