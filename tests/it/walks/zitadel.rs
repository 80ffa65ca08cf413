//! A tenant that is an org of Zitadel's.

use serde_json::json;
use tests::{Browser, Happens, Tenant, Zitadel, eventually};

use super::{OWNER, Platform, Visit, invitation, quota};

/// The tenant, and the org that it is.
struct Walk {
    platform: Platform,
    zitadel: Zitadel,
    acme: Tenant,
}

impl Walk {
    async fn begins() -> Self {
        let zitadel = Zitadel::start();
        let platform = Platform::with(|config| {
            zitadel.configure(config, &zitadel.url);
            // By the project's id, which the settings speak of, nobody would be let in: see `found.rs`.
            config.section_mut::<backends::Settings>().zitadel.audience = Zitadel::APP.to_owned();
        })
        .await;
        let body = json!({
            "slug": "acme", "name": "Acme", "plan": "pro", "identity": {"backend": "zitadel"},
            "owner": {"email": OWNER, "name": "Olga Owner"},
        });
        let acme = platform.tenant(body).await;
        Self { platform, zitadel, acme }
    }

    /// Somebody signs in at Zitadel, and comes in with that.
    async fn comes(&self, id: &str) -> Visit {
        let token = self.zitadel.sign_in(&self.acme.id, id).expect("Zitadel lets them in");
        self.platform.comes(&token).await
    }

    async fn happens(&self, what: Happens, id: &str) {
        self.zitadel.happens(&self.platform.app.anyone(), what, &self.acme.id, id).await;
    }
}

#[actix_web::test]
async fn a_tenant_in_zitadel_from_its_creation_to_who_leaves_and_comes_back() {
    let walk = Walk::begins().await;
    the_owner_runs_it(&walk).await;
    roles_that_are_granted_there_count_until_they_are_taken_back(&walk).await;
    who_is_out_there_is_out_here(&walk).await;
    walk.platform.app.stop().await;
    walk.zitadel.stop().await;
}

async fn the_owner_runs_it(walk: &Walk) {
    let Walk { platform, zitadel, acme } = walk;
    assert_eq!(zitadel.organizations(), [acme.id.as_str()]);
    assert_eq!((quota(acme, "users").await, quota(acme, "admins").await), ((0, 1), (0, 1)));
    // Zitadel's mail lets her set a password there, and then she is in: ours isn't needed any more.
    let ours = platform.app.invitation_token(OWNER).await;
    let olga = zitadel.opens_the_mail(&acme.id, OWNER);
    let visit = walk.comes(&olga).await;
    assert_eq!((visit.tenant.as_str(), visit.user.role.as_str()), ("acme", "admin"));
    assert_eq!(platform.role(&visit.token).await.as_deref(), Some("admin"));
    assert_eq!((quota(acme, "users").await, quota(acme, "admins").await), ((1, 0), (1, 0)));
    let accepted = invitation(acme, OWNER).await;
    assert_eq!((accepted.status.as_str(), accepted.user_id.as_ref()), ("accepted", Some(&visit.user.id)));
    let page = format!("{}/invitations/accept?token={ours}", platform.app.operator.base);
    Browser::default().open(page).await.refused("invitation.gone");
    // She comes again as who she is.
    assert_eq!(walk.comes(&olga).await.user.id, visit.user.id);
    assert_eq!(quota(acme, "users").await, (1, 0));
}

async fn roles_that_are_granted_there_count_until_they_are_taken_back(walk: &Walk) {
    let Walk { zitadel, acme, .. } = walk;
    zitadel.hire(&acme.id, "ann", "ann@acme.example");
    let first = walk.comes("ann").await;
    assert_eq!(first.user.role, "viewer");
    for (granted, is) in [("contributor", "contributor"), ("admin", "admin")] {
        zitadel.grant(&acme.id, "ann", granted);
        let visit = walk.comes("ann").await;
        assert_eq!((&visit.user.id, visit.user.role.as_str()), (&first.user.id, is));
        assert_eq!(walk.platform.role(&first.token).await.as_deref(), Some("viewer"), "as it was signed");
    }
    assert_eq!(quota(acme, "admins").await, (2, 0));
    for (taken, is) in [("admin", "contributor"), ("contributor", "viewer")] {
        zitadel.take_back(&acme.id, "ann", taken);
        assert_eq!(walk.comes("ann").await.user.role, is);
    }
    assert_eq!((quota(acme, "users").await, quota(acme, "admins").await), ((2, 0), (1, 0)));
}

async fn who_is_out_there_is_out_here(walk: &Walk) {
    let Walk { platform, zitadel, acme } = walk;
    let before = walk.comes("ann").await;
    let kept = zitadel.sign_in(&acme.id, "ann").expect("she is in");
    walk.happens(Happens::Deactivated, "ann").await;
    eventually("Ann to be out", async || (platform.role(&before.token).await.is_none()).then_some(())).await;
    assert!(platform.is_over(&before).await);
    assert_eq!(zitadel.sign_in(&acme.id, "ann"), None);
    platform.exchange(&kept).await.refused(403, "user.deactivated");
    assert_eq!(quota(acme, "users").await, (1, 0), "her seat is somebody else's");
    walk.happens(Happens::Reactivated, "ann").await;
    eventually("Ann's seat", async || (quota(acme, "users").await == (2, 0)).then_some(())).await;
    let after = walk.comes("ann").await;
    assert_eq!((&after.user.id, after.user.role.as_str()), (&before.user.id, "viewer"));
    assert!(platform.is_over(&before).await, "what was over stays so");
}
