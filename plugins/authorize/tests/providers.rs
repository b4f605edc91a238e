//! Tokens as identity providers make them, each against the settings that `docs/TOKENS.md` tells for it.

mod support;

use serde_json::{Value, json};
use sluicegate_plugin::SubscribeVerdict;
use sluicegate_plugin::testing::Session;
use support::{NOW, RSA, accepted, refused, sign_with, start};

const PAGE: &str = include_str!("../../../docs/TOKENS.md");

/// A provider by its heading, its header beside the key's name, the claims of a user who is staff, and one claim without
/// which nobody is.
struct Provider {
    heading: &'static str,
    header: Value,
    claims: Value,
    staff: &'static str,
}

fn providers() -> Vec<Provider> {
    vec![
        Provider {
            heading: "Auth0",
            header: json!({"alg": "RS256", "typ": "JWT"}),
            claims: json!({
                "iss": "https://example.eu.auth0.com/", "sub": "auth0|507f1f77bcf86cd799439020",
                "aud": ["https://chat.example.com", "https://example.eu.auth0.com/userinfo"],
                "iat": NOW, "exp": NOW + 86_400, "azp": "my_client_id", "scope": "openid profile",
                "permissions": ["chat:read", "chat:staff"],
            }),
            staff: "permissions",
        },
        Provider {
            heading: "Amazon Cognito",
            header: json!({"alg": "RS256"}),
            claims: json!({
                "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", "cognito:groups": ["readers", "staff"],
                "iss": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI", "version": 2,
                "client_id": "4f8example0client", "origin_jti": "aaaa", "token_use": "access",
                "scope": "aws.cognito.signin.user.admin", "auth_time": NOW, "iat": NOW, "exp": NOW + 3_600,
                "jti": "bbbb", "username": "ann",
            }),
            staff: "cognito:groups",
        },
        Provider {
            heading: "Keycloak",
            header: json!({"alg": "RS256", "typ": "JWT"}),
            claims: json!({
                "exp": NOW + 300, "iat": NOW, "auth_time": NOW, "jti": "onrtac:1", "typ": "Bearer",
                "iss": "https://login.example.com/realms/shop", "aud": ["chat", "account"],
                "sub": "f3c1a1d2-0000-4000-8000-000000000001", "azp": "web", "sid": "s", "acr": "1",
                "allowed-origins": ["https://chat.example.com"], "realm_access": {"roles": ["staff"]},
                "resource_access": {"account": {"roles": ["view-profile"]}}, "scope": "openid email",
                "email_verified": true, "preferred_username": "ann", "roles": ["staff", "offline_access"],
            }),
            staff: "roles",
        },
        Provider {
            heading: "Clerk",
            header: json!({"alg": "RS256", "cat": "cl_B7d4PD111AAA", "typ": "JWT"}),
            claims: json!({
                "azp": "https://chat.example.com", "exp": NOW + 60, "fva": [0, -1], "iat": NOW, "nbf": NOW - 10,
                "iss": "https://example.clerk.accounts.dev", "sid": "sess_2", "sub": "user_2GIpXOEpVyJw51rkZn9Kmnc6Sxr",
                "v": 1, "org_id": "org_2", "org_role": "org:staff",
            }),
            staff: "org_role",
        },
        Provider {
            heading: "Supabase",
            header: json!({"alg": "RS256", "typ": "JWT"}),
            claims: json!({
                "aal": "aal1", "amr": [{"method": "password", "timestamp": NOW}], "app_metadata": {"provider": "email"},
                "aud": "authenticated", "email": "ann@example.com", "exp": NOW + 3_600, "iat": NOW,
                "is_anonymous": false, "iss": "https://example.supabase.co/auth/v1", "phone": "",
                "role": "authenticated", "session_id": "s", "sub": "8b1f0000-0000-4000-8000-000000000001",
                "user_metadata": {}, "user_role": "staff",
            }),
            staff: "user_role",
        },
        Provider {
            heading: "Firebase",
            header: json!({"alg": "RS256", "typ": "JWT"}),
            claims: json!({
                "iss": "https://securetoken.google.com/example-project", "aud": "example-project", "auth_time": NOW,
                "user_id": "hbIpc0Zi", "sub": "hbIpc0Zi", "iat": NOW, "exp": NOW + 3_600, "email": "ann@example.com",
                "firebase": {"identities": {"email": ["ann@example.com"]}, "sign_in_provider": "password"}, "staff": true,
            }),
            staff: "staff",
        },
    ]
}

/// The plugin's settings under a heading of the page, with a key of the tests in their set.
fn settings(heading: &str) -> Value {
    let section = PAGE.split("\n## ").find(|section| section.starts_with(heading));
    let section = section.unwrap_or_else(|| panic!("the page has no {heading}"));
    let (_, block) = section.split_once("```toml\n").expect("settings");
    let (block, _) = block.split_once("```").expect("their end");
    let file: Value = toml::from_str(block).unwrap_or_else(|error| panic!("{heading}: {error}"));
    let mut settings = file["tenants"]["chain"][0]["config"].clone();
    assert_eq!(settings["keys"][0]["jwks"], "{\"keys\": []}", "{heading}");
    settings["keys"] = json!([{ "alg": "RS256", "public_pem": RSA.public, "kid": "of the set" }]);
    settings
}

#[test]
fn every_provider_of_the_page_is_tried() {
    let headings: Vec<&str> = PAGE
        .split("\n## ")
        .skip(1)
        .filter_map(|section| section.lines().next())
        .collect();
    let tried: Vec<&str> = providers().iter().map(|provider| provider.heading).collect();
    assert_eq!(tried, headings);
}

#[test]
fn a_token_of_each_provider_is_accepted_and_means_what_the_page_says() {
    for Provider {
        heading,
        header,
        claims,
        staff,
    } in providers()
    {
        let token = |claims: &Value| sign_with(&RSA, &header, Some("of the set"), claims);
        let without = |claim: &str| {
            let mut claims = claims.clone();
            claims.as_object_mut().unwrap().remove(claim);
            claims
        };
        let mut host = start(settings(heading));
        let may = |host: &mut _, claims: &Value, channel: &str| {
            let identity = accepted(host, &token(claims));
            let user = identity.user.expect("a user");
            assert_eq!(user, claims["sub"], "{heading}");
            let session = Session::of(&user).with_claims(claims);
            matches!(host.subscribe(&session, channel), SubscribeVerdict::Allow(_))
        };
        assert!(may(&mut host, &claims, "room:1"), "{heading}");
        assert!(may(&mut host, &claims, "staff:1"), "{heading}");
        assert!(may(&mut host, &without(staff), "room:1"), "{heading}");
        assert!(!may(&mut host, &without(staff), "staff:1"), "{heading}");
        // Another customer of the same provider, and a token that is good for years.
        let with = |claim: &str, value: Value| {
            let mut claims = claims.clone();
            claims[claim] = value;
            claims
        };
        assert_eq!(
            refused(&mut host, &token(&with("iss", json!("https://evil.example")))).0,
            4401,
            "{heading}"
        );
        assert_eq!(refused(&mut host, &token(&without("iss"))).0, 4401, "{heading}");
        assert_eq!(
            refused(&mut host, &token(&with("exp", json!(NOW + 31_536_000)))).0,
            4401,
            "{heading}"
        );
        for (claim, other) in [
            ("aud", "other"),
            ("client_id", "other"),
            ("azp", "https://evil.example"),
        ] {
            // Firebase has no azp, Cognito no aud: what is there is looked at where the page says so.
            if !PAGE_LOOKS_AT.contains(&(heading, claim)) {
                continue;
            }
            let claims = with(claim, json!(other));
            if claim == "aud" {
                assert_eq!(refused(&mut host, &token(&claims)).0, 4401, "{heading}");
            } else {
                assert!(!may(&mut host, &claims, "room:1"), "{heading}");
            }
        }
    }
}

/// Which claim tells that a token is for this application.
const PAGE_LOOKS_AT: [(&str, &str); 6] = [
    ("Auth0", "aud"),
    ("Amazon Cognito", "client_id"),
    ("Keycloak", "aud"),
    ("Clerk", "azp"),
    ("Supabase", "aud"),
    ("Firebase", "aud"),
];
