/* Links only when stubs.c stands in for everything that libgit2.a wants of the network
 * (CMakeLists.txt). */
#include <git2.h>

int main(void)
{
	git_repository *repository = NULL;
	git_reference *reference = NULL;
	git_oid tree;

	if (git_libgit2_init() < 0 || git_repository_open(&repository, ".") < 0)
		return 1;
	(void)git_tree_create_updated(&tree, repository, NULL, 0, NULL);
	(void)git_reference_lookup(&reference, repository, "refs/heads/main");
	return 0;
}
