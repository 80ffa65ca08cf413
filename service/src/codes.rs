//! The problem codes of the service's own routes.

web::codes! {
    JOB_NOT_RETRYABLE = "job.not_retryable" 409 "The job is running or done, so it can't be retried.";
}
