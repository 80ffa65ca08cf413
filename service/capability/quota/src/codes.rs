//! The problem codes of quotas.

web::codes! {
    QUOTA_BELOW_USAGE = "quota.below_usage" 409 "The limit is below the current usage.";
    QUOTA_RESOURCE_UNKNOWN = "quota.resource_unknown" 400 "There is no such quota resource.";
    QUOTA_RESOURCE_EXISTS = "quota.resource_exists" 409 "A quota resource with this key already exists.";
    RESERVATION_CLOSED = "quota.reservation_closed" 409 "The reservation was already committed or released, or it has expired.";
    SEAT_BLOCKED = "billing.seat_blocked" 403 "A payment is overdue: no seats can be added until it is received.";
}
