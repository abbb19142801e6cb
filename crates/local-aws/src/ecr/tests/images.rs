//! Images as clients see them: looking starts no pull, BatchGetImage is one.

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{HUB, World};
use crate::ecr::{Image, StorageClass};

const NGINX: &str = "hub/library/nginx";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

#[test]
fn looking_at_an_image_fetches_none() {
    let mut world = World::new();
    world.hub("hub");
    let look = json!({"repositoryName": NGINX, "imageIds": [{"imageTag": "1.27"}]});
    world.refused("DescribeImages", &look, "RepositoryNotFoundException");
    world.pull("hub/library/nginx:1.26").unwrap();
    let text = "ImageNotFoundException: The image with imageId {imageDigest:null, imageTag:'1.27'} does not exist within \
                the repository with name 'hub/library/nginx' in the registry with id '111122223333'";
    world.refused("DescribeImages", &look, text);
    world.pull("hub/library/nginx:1.27").unwrap();
    let found = world.must("DescribeImages", &look);
    let detail = &found["imageDetails"][0];
    assert_eq!(
        (&detail["imageTags"], &detail["imageStatus"]),
        (&json!(["1.27"]), &json!("ACTIVE"))
    );
    assert_eq!(detail["imageManifestMediaType"], INDEX);
    let by_digest = json!({"repositoryName": NGINX, "imageIds": [{"imageDigest": detail["imageDigest"]}]});
    assert_eq!(world.must("DescribeImages", &by_digest), found);

    // All of them, page by page.
    let page = world.must("DescribeImages", &json!({"repositoryName": NGINX, "maxResults": 1}));
    let next = json!({"repositoryName": NGINX, "maxResults": 1, "nextToken": page["nextToken"]});
    let rest = world.must("DescribeImages", &next);
    assert_eq!(
        (rest["imageDetails"].as_array().unwrap().len(), rest.get("nextToken")),
        (1, None)
    );
    assert_ne!(page["imageDetails"], rest["imageDetails"]);
    let both = json!({"repositoryName": NGINX, "maxResults": 1, "imageIds": [{"imageTag": "1.27"}]});
    world.refused("DescribeImages", &both, "InvalidParameterException");
    let filtered = json!({"repositoryName": NGINX, "filter": {"tagStatus": "TAGGED"}});
    world.refused("DescribeImages", &filtered, "Unknown member");
}

#[test]
fn getting_an_image_pulls_it() {
    let mut world = World::new();
    world.hub("hub");
    let get = |id: serde_json::Value| json!({"repositoryName": NGINX, "imageIds": [id], "acceptedMediaTypes": [INDEX]});
    let answer = world.must("BatchGetImage", &get(json!({"imageTag": "1.27"})));
    let image = &answer["images"][0];
    let text = image["imageManifest"].as_str().unwrap();
    let digest: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        image["imageId"],
        json!({"imageTag": "1.27", "imageDigest": format!("sha256:{digest}")})
    );
    world.must("DescribeRepositories", &json!({"repositoryNames": [NGINX]}));

    // What is not to be had is told image by image, once there is a repository.
    world.ecr.upstreams().fail(HUB, "library/nginx:9.99", "ImageNotFound");
    world
        .ecr
        .upstreams()
        .fail(HUB, "library/nginx:slow", "UpstreamTooManyRequests");
    let unknown = format!("sha256:{}", "0".repeat(64));
    let mut stored = Image::new("sha256:cold", &["cold"], world.context.now);
    stored.storage_class = StorageClass::Archive;
    world.ecr.seed_images(&world.context, NGINX, vec![stored]);
    for (id, code, part) in [
        (
            json!({"imageTag": "9.99"}),
            "ImageNotFound",
            "the upstream does not give it",
        ),
        (
            json!({"imageTag": "slow"}),
            "UpstreamTooManyRequests",
            "the upstream does not give it",
        ),
        (json!({"imageDigest": unknown}), "ImageNotFound", "by tag"),
        (json!({"imageTag": "cold"}), "ImageNotFound", "archived"),
        (
            json!({"imageTag": "1.27", "imageDigest": "sha256:cold"}),
            "ImageNotFound",
            "archived",
        ),
        (json!({}), "MissingDigestAndTag", ""),
    ] {
        let failure = world.must("BatchGetImage", &get(id))["failures"][0].clone();
        assert_eq!(failure["failureCode"], code);
        assert!(failure["failureReason"].as_str().unwrap().contains(part), "{failure}");
    }
    let elsewhere = json!({"repositoryName": "hub/nginx", "imageIds": [{"imageTag": "1.27"}]});
    world.refused("BatchGetImage", &elsewhere, "RepositoryNotFoundException");

    // Converting a manifest, and one of an image that was never pulled, it has not.
    let other = json!({"repositoryName": NGINX, "imageIds": [{"imageTag": "1.27"}], "acceptedMediaTypes": ["x"]});
    world.refused("BatchGetImage", &other, "NotImplemented");
    world.ecr.seed_images(
        &world.context,
        NGINX,
        vec![Image::new("sha256:own", &["own"], world.context.now)],
    );
    let pushed = json!({"repositoryName": NGINX, "imageIds": [{"imageTag": "own"}]});
    world.refused("BatchGetImage", &pushed, "NotImplemented");
}
